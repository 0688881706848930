// Makes a checkout ready on a new machine: npm packages, Debian packages, the build. Does only what is missing and
// says each step in a line. Plain Node: it runs before any npm package is there. node scripts/setup.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEBIAN_PACKAGES, isInPath, isSystemdMachine } from '../test/host/requirements.mjs';
import { REPOSITORY } from '../test/host/throwaway-host.mjs';

/** A step that failed; the message names the package or the permission. */
export class SetupError extends Error {}

/**
 * Npm packages, Debian packages (on Debian and its like, as root) and the build.
 * @throws SetupError
 */
export function setUp() {
  checkNode();
  installNpmPackages();
  ensureDebianPackages(DEBIAN_PACKAGES);
  build();
}

/** Ends the process with the message when the set-up fails; for the scripts behind the commands. */
export function setUpOrExit() {
  try {
    setUp();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`setup: ${error.message}`);
    process.exit(1);
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    throw new SetupError(
      `Node ${process.versions.node} is too old: 20.19 or newer is needed (https://nodejs.org)`,
    );
}

function installNpmPackages() {
  const missing = missingNpmPackages(
    readJson(join(REPOSITORY, 'package-lock.json')),
    existsSync(join(REPOSITORY, 'node_modules/.package-lock.json'))
      ? readJson(join(REPOSITORY, 'node_modules/.package-lock.json'))
      : { packages: {} },
  );
  if (missing.length === 0) return;
  step(`npm ci, for ${missing.length} npm packages that are missing or of another version`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const result = run(npm, ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { NX_DAEMON: 'false' });
  if (result.failure !== undefined)
    throw new SetupError(`npm ci failed, is the npm registry reachable?\n${result.failure}`);
}

/** What package-lock.json wants and node_modules has not: compared by content, since dates say nothing after a clone. */
export function missingNpmPackages(wanted, installed) {
  return Object.entries(wanted.packages)
    .filter(([path, { optional }]) => path.includes('node_modules/') && optional !== true)
    .filter(([path, { version, resolved, link }]) => {
      const found = installed.packages[path];
      return (
        found === undefined || found.version !== version || (link === true && found.resolved !== resolved)
      );
    })
    .map(([path]) => path);
}

/**
 * On Debian and its like, as root: installs what is missing.
 * @param packages names, with the file that shows each to be there
 * @throws SetupError
 */
export function ensureDebianPackages(packages) {
  if (process.platform !== 'linux') return;
  const missing = missingDebianPackages(packages);
  if (missing.length === 0) return;
  const list = missing.join(' ');
  if (!isInPath('apt-get')) {
    step(`not installed, since this is not Debian: what these packages of Debian hold: ${list}`);
    return;
  }
  if (process.getuid() !== 0) {
    step(`not installed, since this is not root: sudo apt-get install ${list}`);
    return;
  }
  step(`apt-get install ${list}`);
  const environment = { DEBIAN_FRONTEND: 'noninteractive' };
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];
  const update = run('apt-get', ['update', ...options], environment);
  const install = run(
    'apt-get',
    ['install', '-y', '--no-install-recommends', ...options, ...missing],
    environment,
  );
  const still = missingDebianPackages(packages);
  if (install.failure !== undefined || still.length > 0) {
    const failures = [update.failure, install.failure].filter((each) => each !== undefined).join('\n');
    throw new SetupError(`the Debian packages ${still.join(' ')} could not be installed\n${failures}`);
  }
  // Debian starts its registry on port 5000 at once, where nobody asked for it and the tests want theirs.
  if (missing.includes('docker-registry') && isSystemdMachine())
    run('systemctl', ['disable', '--now', 'docker-registry.service']);
}

/** On Debian what dpkg says, elsewhere whether the packages' programs are there. */
function missingDebianPackages(packages) {
  const names = Object.keys(packages);
  if (!isInPath('dpkg-query')) return names.filter((name) => !existsSync(packages[name]));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders
  const query = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\\n', ...names], {
    encoding: 'utf8',
  });
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}

function build() {
  const started = Date.now();
  for (const command of ['node_modules/typescript/bin/tsc -b', 'scripts/bundle-command.mjs']) {
    const { failure } = run(process.execPath, command.split(' '));
    if (failure !== undefined) throw new SetupError(`the build (${command}) failed\n${failure}`);
  }
  const seconds = (Date.now() - started) / 1000;
  if (seconds > 2) step(`the build took ${seconds.toFixed(1)} s`);
}

function step(text) {
  console.error(`setup: ${text}`);
}

/** Runs a command quietly; `failure` is the end of its output when it failed. */
function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: REPOSITORY,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return { failure: undefined };
  const output = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  const denied = /EACCES.*'(.*)'/.exec(output);
  if (denied !== null)
    return {
      failure: `no permission to write ${denied[1]}: run it as the owner of the checkout, or as root`,
    };
  return { failure: output.split('\n').slice(-30).join('\n') };
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

if (process.argv[1] === import.meta.filename) setUpOrExit();
