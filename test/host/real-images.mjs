// Images of programs as Debian packages them, for tests of pods as people write them: nginx, redis, postgres. One OCI
// layout each, kept outside of the checkout, so that only the first run on a machine downloads the packages (95 MB).
// node test/host/real-images.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Where the layouts lie, and are found again by later runs. */
export const REAL_IMAGES = '/var/cache/podwright-tests';
/** To be raised with a change of what is in the images. */
const VERSION = 1;
/** The programs of postgres first: those in /usr/bin are wrappers in Perl. */
const PATH = 'PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What the programs need beside what their dependencies name: a shell and its commands, a name service. */
const BASE = ['bash', 'coreutils', 'libc-bin', 'netbase', 'util-linux', 'passwd', 'grep', 'sed'];
/** Maintainer scripts only, or unused: not one of the programs runs it. */
const LEFT_OUT =
  /^(perl(-base|-modules.*)?|libperl.*|lib(json|number|text|file).*-perl|debconf|ucf|usrmerge|locales|libc-l10n|libllvm.*|libz3.*|dpkg|openssl|ssl-cert|adduser)$/;

/** Each with its packages, its users, what its image's build does, and the image's configuration. */
const IMAGES = {
  nginx: {
    packages: ['nginx-light'],
    user: 'www-data:33',
    // The configuration as the usual image of nginx has it: logs to the container's own streams.
    build: (root) => {
      rmSync(join(root, 'etc/nginx/sites-enabled'), { recursive: true, force: true });
      writeFileSync(
        join(root, 'etc/nginx/nginx.conf'),
        `user www-data;
worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
  include /etc/nginx/mime.types;
  access_log /dev/stdout;
  server { listen 80; listen [::]:80; root /usr/share/nginx/html; }
  include /etc/nginx/conf.d/*.conf;
}
`,
      );
      mkdirSync(join(root, 'etc/nginx/conf.d'), { recursive: true });
    },
    config: { Cmd: ['nginx', '-g', 'daemon off;'], ExposedPorts: { '80/tcp': {} }, StopSignal: 'SIGQUIT' },
  },
  redis: {
    packages: ['redis-server'],
    user: 'redis:999',
    // Begins as root, gives its directory to its user and becomes it, as the usual image of redis does with gosu.
    build: (root) =>
      entrypoint(
        root,
        `if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown redis:redis /data
  exec setpriv --reuid redis --regid redis --init-groups -- "$0" "$@"
fi
exec "$@"`,
      ),
    config: {
      Entrypoint: ['/entrypoint'],
      Cmd: ['redis-server', '--bind', '*', '-::*', '--protected-mode', 'no'],
      WorkingDir: '/data',
      Volumes: { '/data': {} },
      ExposedPorts: { '6379/tcp': {} },
    },
  },
  postgres: {
    packages: ['postgresql-15'],
    user: 'postgres:999',
    build: (root) =>
      entrypoint(
        root,
        `data=\${PGDATA:-/var/lib/postgresql/data}
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /run/postgresql
  chown postgres:postgres "$data" /run/postgresql
  chmod 700 "$data"
  exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  [ -n "$POSTGRES_PASSWORD" ] || { echo "POSTGRES_PASSWORD is not set" >&2; exit 1; }
  printf %s "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$data" --username=postgres --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust --no-sync
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
fi
exec "$@" -D "$data"`,
      ),
    config: {
      Entrypoint: ['/entrypoint'],
      Cmd: ['postgres', '-c', 'listen_addresses=*'],
      Volumes: { '/var/lib/postgresql/data': {} },
      ExposedPorts: { '5432/tcp': {} },
      StopSignal: 'SIGINT',
    },
  },
};

/** Path of an image's OCI layout; the name inside is `latest`. */
export function realImageLayout(name) {
  return join(REAL_IMAGES, `v${VERSION}`, name);
}

/**
 * Makes the images that are not there yet. Needs apt-get and dpkg-deb, so Debian or its like, and root.
 * @throws Error with the end of the output of what failed
 */
export function ensureRealImages() {
  const missing = Object.keys(IMAGES).filter(
    (name) => !existsSync(join(realImageLayout(name), 'index.json')),
  );
  if (missing.length === 0) return;
  const folder = join(REAL_IMAGES, `v${VERSION}`);
  mkdirSync(join(folder, 'archives'), { recursive: true });
  run('apt-get', ['update', '-q', '-o', 'Acquire::Retries=3'], { mayFail: true });
  for (const name of missing) {
    const work = mkdtempSync(join(folder, `.${name}-`));
    try {
      build(IMAGES[name], join(folder, 'archives'), work);
      rmSync(realImageLayout(name), { recursive: true, force: true });
      renameSync(join(work, 'layout'), realImageLayout(name));
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  rmSync(join(folder, 'archives'), { recursive: true, force: true });
}

function build({ packages, user, build: finish, config }, archives, work) {
  const root = join(work, 'root');
  mkdirSync(root);
  extract(download([...packages, ...BASE], archives), root);
  merge(root);
  for (const path of ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info', 'usr/include'])
    rmSync(join(root, path), { recursive: true, force: true });
  rmSync(join(root, 'var/run'), { recursive: true, force: true });
  mkdirSync(join(root, 'var'), { recursive: true });
  symlinkSync('/run', join(root, 'var/run'));
  for (const path of ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'data', 'var/lib/postgresql'])
    mkdirSync(join(root, path), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  if (!existsSync(join(root, 'bin/sh'))) symlinkSync('bash', join(root, 'bin/sh'));
  const [name, id] = user.split(':');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), `root:x:0:0:root:/root:/bin/bash\n`);
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  appendFileSync(join(root, 'etc/passwd'), `${name}:x:${id}:${id}::/:/bin/bash\n`);
  appendFileSync(join(root, 'etc/group'), `${name}:x:${id}:\n`);
  appendFileSync(join(root, 'etc/passwd'), 'nobody:x:65534:65534:nobody:/:/bin/false\n');
  appendFileSync(join(root, 'etc/group'), 'nogroup:x:65534:\n');
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
  finish(root);
  writeLayout(join(work, 'layout'), root, config, work);
}

/** @returns paths of the packages and of all they depend on, as on a machine with nothing installed */
function download(names, archives) {
  const options = ['-q', '-y', '--no-install-recommends', '-o', 'Dir::State::status=/dev/null'];
  const plan = run('apt-get', [...options, '-s', 'install', ...names]);
  const closure = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
  const wanted = closure.filter((name) => !LEFT_OUT.test(name));
  const has = (name) => readdirSync(archives).find((file) => file.startsWith(`${name}_`));
  const missing = wanted.filter((name) => has(name) === undefined);
  if (missing.length > 0) {
    // In place of apt's own cache: its user may not write here.
    const call = ['-q', '-o', 'Acquire::Retries=3', '-o', 'APT::Sandbox::User=root', 'download', ...missing];
    run('apt-get', call, { cwd: archives });
  }
  return wanted.map((name) => join(archives, has(name) ?? name));
}

/** Two at a time: most of the time goes into decompressing. */
function extract(archives, root) {
  const input = archives.map((path) => `${path}\0`).join('');
  run('xargs', ['-0', '-P', '2', '-I', '{}', 'dpkg-deb', '-x', '{}', root], { input });
}

/** As Debian 12 has it: /bin, /sbin and /lib are links into /usr. */
function merge(root) {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    const path = join(root, name);
    mkdirSync(join(root, 'usr', name), { recursive: true });
    if (existsSync(path)) cpSync(path, join(root, 'usr', name), { recursive: true, verbatimSymlinks: true });
    rmSync(path, { recursive: true, force: true });
    symlinkSync(`usr/${name}`, path);
  }
}

function entrypoint(root, body) {
  writeFileSync(join(root, 'entrypoint'), `#!/bin/sh\nset -e\n${body}\n`, { mode: 0o755 });
  chmodSync(join(root, 'entrypoint'), 0o755);
}

function writeLayout(layout, root, config, work) {
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const tar = join(work, 'layer.tar');
  run('tar', ['-C', root, '--numeric-owner', '--owner=0', '--group=0', '--sort=name', '-cf', tar, '.']);
  const blob = (mediaType, bytes) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(layout, 'blobs/sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  // Not compressed: it is written and read on one machine.
  const layer = blob('application/vnd.oci.image.layer.v1.tar', readFileSync(tar));
  const json = (value) => Buffer.from(JSON.stringify(value));
  const { Env = [], ...rest } = config;
  const configuration = blob(
    'application/vnd.oci.image.config.v1+json',
    json({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Env: [PATH, ...Env], ...rest },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  );
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = blob(
    type,
    json({ schemaVersion: 2, mediaType: type, config: configuration, layers: [layer] }),
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
}

function run(command, args, { mayFail = false, ...options } = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...options,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });
  if (result.status === 0 || mayFail) return result.stdout ?? '';
  const output = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  throw new Error(`${command} ${args.join(' ')} failed: ${output.split('\n').slice(-10).join('\n')}`);
}

if (process.argv[1] === import.meta.filename) ensureRealImages();
