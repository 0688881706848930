// The registries of the tests, on loopback of the host that this runs on, with the images of the tests in them.
// node test/host/registry.mjs up|down
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { imageNames, writeLayout } from './build-images.mjs';
import { waitUntil } from './processes.mjs';

const run = promisify(execFile);
const FOLDER = '/run/podwright-test';

/** As in images.ts, which tests import. */
const REGISTRIES = [
  { unit: 'podwright-test-registry.service', port: 5000, storage: 'open' },
  { unit: 'podwright-test-registry-auth.service', port: 5001, storage: 'auth', password: true },
];
const CREDENTIALS = 'podwright:s3cret pass';
/** bcrypt of the password above. */
const HTPASSWD = 'podwright:$2b$05$SBTLbfpeBDIBKY84/7igNOfCuxHKVLbN0xEBlrQtHQ9.6bIgI/Lte\n';

/** Starts the registries as transient units and fills them; when they run already, does nothing. */
export async function startRegistries() {
  if (existsSync(join(FOLDER, 'ready'))) return;
  await stopRegistries();
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  try {
    await Promise.all([...REGISTRIES.map(startRegistry), buildLayout()]);
    await inTurns(4, jobs());
    writeFileSync(join(FOLDER, 'ready'), '');
  } catch (error) {
    await stopRegistries();
    throw error;
  }
}

/** Stops and removes them and all that they hold; no error when there are none. */
export async function stopRegistries() {
  for (const { unit } of REGISTRIES) {
    const { stdout } = await run('systemctl', ['list-units', '--all', '--plain', '--no-legend', unit]);
    if (stdout.trim() !== '') await run('systemctl', ['stop', unit]);
  }
  rmSync(FOLDER, { recursive: true, force: true });
}

async function startRegistry({ unit, port, storage, password }) {
  if (await listens(port))
    throw new Error(
      `port ${port} of 127.0.0.1 is in use: stop what listens there (ss -ltnp), for instance docker-registry`,
    );
  const config = join(FOLDER, `${storage}.json`);
  const htpasswd = join(FOLDER, 'htpasswd');
  writeFileSync(htpasswd, HTPASSWD);
  const auth = password === true ? { auth: { htpasswd: { realm: 'podwright', path: htpasswd } } } : {};
  writeFileSync(
    config,
    JSON.stringify({
      ...{ version: '0.1', log: { level: 'warn', accesslog: { disabled: true } } },
      storage: { filesystem: { rootdirectory: join(FOLDER, 'storage', storage) }, delete: { enabled: true } },
      http: { addr: `127.0.0.1:${port}` },
      ...auth,
    }),
  );
  await run('systemd-run', [
    '--quiet',
    '--collect',
    `--unit=${unit}`,
    '--',
    'docker-registry',
    'serve',
    config,
  ]);
  await waitUntil(`the registry on port ${port}`, 20_000, () => listens(port));
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function buildLayout() {
  writeLayout(join(FOLDER, 'layout'));
}

function jobs() {
  const layout = (name) => `oci:${join(FOLDER, 'layout')}:${name}`;
  const copy =
    (name, target, ...options) =>
    () =>
      run('skopeo', ['copy', '--quiet', ...options, layout(name), target]);
  const archives = [
    copy('busybox', `oci-archive:${FOLDER}/busybox-oci.tar:localhost/podwright/busybox:archived`),
    copy('busybox', `docker-archive:${FOLDER}/busybox-docker.tar:localhost/podwright/busybox:archived`),
    ...[
      copy(
        'busybox',
        'docker://127.0.0.1:5001/podwright/busybox:1',
        '--dest-tls-verify=false',
        '--dest-creds',
        CREDENTIALS,
      ),
    ],
  ];
  const pushes = imageNames().map((name) =>
    copy(name, `docker://127.0.0.1:5000/podwright/${name}:1`, '--dest-tls-verify=false'),
  );
  return [...archives, ...pushes];
}

async function inTurns(width, work) {
  const queue = [...work];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

const command = process.argv[1] === import.meta.filename ? process.argv[2] : undefined;
if (command === 'up') await startRegistries();
else if (command === 'down') await stopRegistries();
else if (process.argv[1] === import.meta.filename) throw new Error('say up or down');
