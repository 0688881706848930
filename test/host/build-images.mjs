// Writes the images of the tests as one OCI layout, from the Debian packages busybox-static and catatonit alone.
// Deterministic: the same sources and the same programs give the same digests.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { writeTar } from './tar.mjs';

const BUSYBOX = '/bin/busybox';
const CATATONIT = '/usr/bin/catatonit';
const ARCHITECTURES = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  riscv64: 'riscv64',
  s390x: 's390x',
};
const CREATED = '2024-01-01T00:00:00Z';
const PATH_VARIABLE = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Names of all images, as in the registry. */
export function imageNames() {
  return Object.keys(definitions());
}

/** Every image: its layers above the first, and its configuration (OCI image spec, `config`). */
function definitions() {
  return {
    // A shell and the usual commands; keeps the shell as its command.
    busybox: { config: { Cmd: ['sh'] } },
    // Serves one page on port 8080.
    web: {
      layers: [[dir('www'), file('www/index.html', 'It works: a page from podwright.\n')]],
      config: {
        Entrypoint: ['httpd', '-f', '-v', '-p', '8080', '-h', '/www'],
        ExposedPorts: { '8080/tcp': {} },
        Labels: {
          'org.opencontainers.image.title': 'web',
          'podwright.test/quotes': 'a "b" \'c\' 100% $HOME ü',
        },
      },
    },
    // Files that upper layers change, remove (whiteout), hide (opaque directory) and replace by another type.
    layers: {
      layers: [
        [
          ...[
            dir('data'),
            file('data/a', 'a of layer 1\n'),
            file('data/b', 'removed\n'),
            file('data/c', 'c\n'),
          ],
          ...[
            dir('opaque'),
            file('opaque/old', 'hidden\n'),
            dir('opaque/below'),
            file('opaque/below/x', 'hidden\n'),
          ],
          ...[dir('turned'), file('turned/x', 'a directory once\n'), file('spare', 'spare\n')],
        ],
        [file('data/a', 'a of layer 2\n'), file('data/.wh.b', ''), file('turned', 'a file now\n')],
        [dir('opaque'), file('opaque/.wh..wh..opq', ''), file('opaque/new', 'new\n')],
      ],
      config: {
        Cmd: [
          'sh',
          '-c',
          'find /data /opaque /turned -type f | sort | while read f; do echo "$f: $(cat $f)"; done',
        ],
      },
    },
    // A user by name, in two more groups by the image's own /etc/group.
    nonroot: {
      layers: [
        [
          file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n'),
          file('etc/group', 'root:x:0:\napp:x:1000:\naudio:x:29:app\nstaff:x:1500:other,app\n'),
          { ...dir('home/app'), uid: 1000, gid: 1000 },
        ],
      ],
      config: { User: 'app', WorkingDir: '/home/app', Cmd: ['id'] },
    },
    // A user and group by number, unknown to /etc/passwd.
    'nonroot-uid': { config: { User: '1000:1000', Cmd: ['id'] } },
    // Ignores SIGTERM: only SIGKILL ends it.
    stubborn: {
      config: { Entrypoint: ['sh', '-c', "trap '' TERM; echo ready; while :; do sleep 1; done"] },
    },
    // Opens /dev/stdout and /dev/stderr by path, as the usual images of web servers do.
    stdout: {
      layers: [
        [
          script(
            'bin/both',
            'echo "to stdout" > /dev/stdout\necho "to stderr" > /dev/stderr\necho plain\necho plain error >&2',
          ),
        ],
      ],
      config: { Entrypoint: ['/bin/both'] },
    },
    // Wants SIGUSR1 for its end and says so with exit code 42; SIGTERM ends it with 43.
    signal: {
      layers: [
        [
          script(
            'bin/wait-for-signal',
            'trap "echo got USR1; exit 42" USR1\ntrap "echo got TERM; exit 43" TERM\necho ready\nwhile :; do sleep 1 & wait $!; done',
          ),
        ],
      ],
      config: { Entrypoint: ['/bin/wait-for-signal'], StopSignal: 'SIGUSR1' },
    },
    // Prints each argument in its own line, in angle brackets.
    args: {
      layers: [[script('bin/print-args', 'for arg in "$@"; do printf "<%s>\\n" "$arg"; done')]],
      config: { Entrypoint: ['/bin/print-args', 'entry'], Cmd: ['cmd', 'two words'] },
    },
    // Neither an entrypoint nor a command: cannot be started without one given.
    'no-command': { config: {} },
    // Values that a careless runtime would expand, split or cut.
    env: {
      config: {
        Env: [
          ...[
            PATH_VARIABLE,
            'GREETING=hello world',
            'PERCENT=100%n',
            // biome-ignore lint/suspicious/noTemplateCurlyInString: these very characters have to arrive
            'DOLLAR=$HOME ${HOME} $(HOME)',
            'EMPTY=',
          ],
          ...['QUOTES=a "b" \'c\' `d` \\e', 'EQUALS=a=b', 'LINES=one\ntwo', 'UNICODE=grüße 🐳'],
        ],
        Cmd: ['env'],
      },
    },
    // Waits, and reaps what is left to it: the first process of sandboxes of other runtimes, such as containerd.
    pause: {
      layers: [[{ path: 'pause', mode: 0o755, content: readFileSync(CATATONIT) }]],
      config: { Entrypoint: ['/pause', '-P'] },
    },
    // A working directory that no layer has, and a volume.
    workdir: {
      layers: [[dir('data'), file('data/seed', 'from the image\n')]],
      config: { WorkingDir: '/srv/app', Volumes: { '/data': {} }, Cmd: ['pwd'] },
    },
  };
}

/** Writes the layout, each image under its name as the reference. */
export function writeLayout(folder) {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  const base = layer(folder, baseEntries());
  const manifests = Object.entries(definitions()).map(([name, { layers = [], config }]) => {
    const all = [base, ...layers.map((entries) => layer(folder, entries))];
    const configuration = blob(folder, 'application/vnd.oci.image.config.v1+json', {
      created: CREATED,
      architecture: ARCHITECTURES[process.arch],
      os: 'linux',
      config: { Env: [PATH_VARIABLE], ...config },
      rootfs: { type: 'layers', diff_ids: all.map((each) => each.diffId) },
      history: all.map((_, index) => ({ created: CREATED, created_by: `${name} layer ${index}` })),
    });
    const manifest = blob(folder, 'application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: configuration,
      layers: all.map((each) => each.descriptor),
    });
    return { ...manifest, annotations: { 'org.opencontainers.image.ref.name': name } };
  });
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** A root file system of busybox alone; its commands are hard links, so that a mount over one hides only that one. */
function baseEntries() {
  const applets = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const folders = ['bin', 'dev', 'etc', 'home', 'proc', 'sys', 'usr', 'usr/bin', 'var', 'var/log'].map(dir);
  return [
    ...folders,
    { ...dir('root'), mode: 0o700 },
    { ...dir('tmp'), mode: 0o1777 },
    { path: 'bin/busybox', mode: 0o755, content: readFileSync(BUSYBOX) },
    ...applets
      .filter((name) => name !== 'busybox')
      .map((name) => ({ path: `bin/${name}`, type: 'hardlink', target: 'bin/busybox', mode: 0o755 })),
    { path: 'usr/bin/env', type: 'hardlink', target: 'bin/busybox', mode: 0o755 },
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
    file('etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
  ];
}

function dir(path) {
  return { path, type: 'directory' };
}

function file(path, content) {
  return { path, content };
}

function script(path, body) {
  return { path, mode: 0o755, content: `#!/bin/sh\n${body}\n` };
}

function layer(folder, entries) {
  const tar = writeTar(entries);
  const descriptor = blob(folder, 'application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar, { level: 1 }));
  return { descriptor, diffId: digestOf(tar) };
}

function blob(folder, mediaType, content) {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  const digest = digestOf(bytes);
  writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), bytes);
  return { mediaType, digest, size: bytes.length };
}

function digestOf(bytes) {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
