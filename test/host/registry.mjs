// The registries of the tests, on loopback of the host that this runs on, with the images of the tests in them.
// node test/host/registry.mjs up|down
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { imageNames, writeLayout } from './build-images.mjs';
import { waitUntil } from './processes.mjs';
import { fillStorage } from './registry-storage.mjs';

const run = promisify(execFile);
const FOLDER = '/run/podwright-test';

/** As in images.ts, which tests import. */
const REGISTRIES = [
  { unit: 'podwright-test-registry.service', port: 5000, storage: 'open' },
  {
    unit: 'podwright-test-registry-auth.service',
    port: 5001,
    storage: 'auth',
    password: true,
    only: ['busybox', 'stdout'],
  },
];
/** The password is `s3cret pass` (bcrypt). */
const HTPASSWD = 'podwright:$2b$05$SBTLbfpeBDIBKY84/7igNOfCuxHKVLbN0xEBlrQtHQ9.6bIgI/Lte\n';

/** Starts the registries as transient units and fills them; when they run already, does nothing. */
export async function startRegistries() {
  if (existsSync(join(FOLDER, 'ready'))) return;
  await stopRegistries();
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  try {
    const starts = REGISTRIES.map(startRegistry);
    fillRegistries();
    await Promise.all([...starts, ...archives()]);
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
  const patienceMs = 20_000 * Number(process.env.PODWRIGHT_TEST_SLOWNESS ?? 1);
  await waitUntil(`the registry on port ${port}`, patienceMs, () => listens(port));
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The images need no registry that runs, which saves a start of skopeo for each. */
function fillRegistries() {
  const layout = join(FOLDER, 'layout');
  writeLayout(layout);
  const images = imageNames().map((name) => ({ name, repository: `podwright/${name}`, tag: '1' }));
  for (const { storage, only } of REGISTRIES) {
    const served = images.filter(({ name }) => only === undefined || only.includes(name));
    fillStorage(join(FOLDER, 'storage', storage), layout, served);
  }
}

function archives() {
  return ['oci', 'docker'].map((kind) => {
    const target = `${kind}-archive:${FOLDER}/busybox-${kind}.tar:localhost/podwright/busybox:archived`;
    return run('skopeo', ['copy', '--quiet', `oci:${join(FOLDER, 'layout')}:busybox`, target]);
  });
}

const command = process.argv[1] === import.meta.filename ? process.argv[2] : undefined;
if (command === 'up') await startRegistries();
else if (command === 'down') await stopRegistries();
else if (process.argv[1] === import.meta.filename) throw new Error('say up or down');
