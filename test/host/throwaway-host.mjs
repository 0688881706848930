// A host booted with systemd for tests and demonstrations, on a machine whose own first process is something else:
// systemd-nspawn on an overlay over this machine's root file system. Start reading at `ThrowawayHost`.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cgroupsOf, findCgroups, makeCgroups, processesIn, removeCgroups } from './cgroups.mjs';
import { childrenOf, commOf, identify, isAlive, killQuietly, readText, waitUntil } from './processes.mjs';
import { whyNoHost } from './requirements.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const STATE = '/run/podwright-host';
/** Longest time from the start of systemd to the default target. */
const BOOT_TIMEOUT_MS = 90_000;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The checkout that these files belong to. */
export const REPOSITORY = resolve(HERE, '../..');

/** The exit code of a command that ran out of time, as of timeout(1). */
export const TIMED_OUT = 124;

let execCount = 0;

/** One throw-away host. Several may run at once under different names. */
export class ThrowawayHost {
  /** @param name default: made from the checkout's path */
  constructor(name = defaultName()) {
    if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(name))
      throw new Error(
        `the host's name is lower-case letters, digits and dashes, not ${JSON.stringify(name)}`,
      );
    this.name = name;
    this.folder = join(STATE, name);
    this.cgroupName = `podwright-host-${name}`;
  }

  /** `{leader, supervisor, bootMs}` while it runs, else undefined. */
  status() {
    const text = readText(join(this.folder, 'host.json'));
    const state = text === undefined ? undefined : JSON.parse(text);
    return isAlive(state?.leader) && isAlive(state?.supervisor) ? state : undefined;
  }

  /** Boots it; returns `{booted: false}` when it runs already. Cleans up after an earlier run that was killed. */
  async up() {
    const missing = whyNoHost();
    if (missing !== undefined) throw new Error(missing);
    return await this.#locked(async () => {
      const running = this.status();
      if (running !== undefined) return { booted: false, ...running };
      await this.#remove();
      try {
        return { booted: true, ...(await this.#boot()) };
      } catch (error) {
        const log = readText(join(this.folder, 'console.log')) ?? '';
        await this.#remove();
        throw new Error(`the throw-away host did not boot: ${error.message}\n${log.slice(-4000)}`, {
          cause: error,
        });
      }
    });
  }

  /** Ends and removes everything of it; no error when there is nothing. */
  async down() {
    await this.#locked(() => this.#remove());
  }

  /**
   * Ends its first process and boots it again on the same disk: /run and all processes are new, and so is the boot id.
   * @param options.hard without a shutdown, as when the power fails; default: everything is stopped in order
   * @param options.bootTimeoutMs longest time until the default target is reached
   */
  async reboot({ hard = false, bootTimeoutMs = BOOT_TIMEOUT_MS } = {}) {
    return await this.#locked(async () => {
      const before = this.status();
      if (before === undefined) throw new Error(`the host ${this.name} is not up`);
      const started = Date.now();
      await this.#systemctl(before.leader.pid, 'reboot', ...(hard ? ['-ff'] : []));
      await waitUntil('ending the first process', 120_000, () => !isAlive(before.leader));
      return await this.#finishBoot(before.supervisor, started, bootTimeoutMs);
    });
  }

  /**
   * Runs a command inside, in a scope of its own, arguments byte for byte, and waits for it.
   * @param options.cwd a directory inside; default: this process's own
   * @param options.env added to a clean environment
   * @param options.stdio as of node:child_process; default: no input, output and errors to this process's own
   * @param options.timeoutMs then everything it started is ended, and `exitCode` is 124
   * @param options.signal ends it likewise
   * @returns `{exitCode, timedOut, stdout, stderr}`: 128 + n when it was ended by signal n; the output when piped
   */
  async exec(command, args = [], options = {}) {
    const state = this.status();
    if (state === undefined)
      throw new Error(`the host ${this.name} is not up: npm run host -- up --name ${this.name}`);
    if (command.includes('=')) throw new Error(`a command's name cannot hold "=": ${command}`);
    const unit = `podwright-exec-${process.pid}-${++execCount}`;
    const env = { PATH: pathWithNode(), HOME: '/root', LANG: 'C.UTF-8', ...options.env };
    const enter = ['nsenter', '-t', String(state.leader.pid), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w'];
    const scope = ['systemd-run', '--scope', '--quiet', '--collect', `--unit=${unit}`];
    // Into the host's cgroups first: systemd leaves a process where it is in hierarchies that it does not use itself.
    const joinCgroups = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"';
    const child = spawn(
      'sh',
      [
        ...['-c', joinCgroups, 'sh', ...cgroupFiles(state.supervisor.pid), '--', ...enter, '--', 'env', '-i'],
        ...Object.entries(env).map(([key, value]) => `${key}=${value}`),
        ...[...scope, '--', 'env', '-C', options.cwd ?? process.cwd(), command, ...args],
      ],
      { stdio: options.stdio ?? ['ignore', 'inherit', 'inherit'] },
    );
    return await finish(child, options, () => this.#endScope(unit, child.pid));
  }

  async #boot() {
    const started = Date.now();
    for (const path of [REPOSITORY, ...elsewhere()]) {
      if (/[\s:\\]/.test(path))
        throw new Error(`systemd-nspawn cannot share a path with blanks or colons: ${path}`);
    }
    const disk = join(this.folder, 'disk');
    mkdirSync(disk, { recursive: true, mode: 0o700 });
    mkdirSync('/run/systemd', { recursive: true });
    const cgroups = makeCgroups(this.cgroupName).map((folder) => join(folder, 'cgroup.procs'));
    const log = openSync(join(this.folder, 'console.log'), 'w');
    const boot = [join(HERE, 'boot.sh'), this.name, disk, REPOSITORY, ...elsewhere()];
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', ...boot], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { PATH, PODWRIGHT_HOST_CGROUPS: cgroups.join('\n') },
    });
    closeSync(log);
    child.unref();
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return await this.#finishBoot(identify(child.pid), started);
  }

  /** Waits until systemd-nspawn has started systemd, and that all else. */
  async #finishBoot(supervisor, started, timeoutMs = BOOT_TIMEOUT_MS) {
    const ended = () => {
      if (!isAlive(supervisor)) throw new Error('systemd-nspawn ended');
    };
    const leaderPid = await waitUntil('starting systemd', 60_000, () => {
      ended();
      return childrenOf(supervisor.pid)
        .flatMap(childrenOf)
        .find((pid) => commOf(pid) === 'systemd');
    });
    const state = { supervisor, leader: identify(leaderPid), bootMs: 0 };
    await waitUntil('reaching the default target', timeoutMs, async () => {
      ended();
      const answer = await this.#systemctl(leaderPid, 'is-system-running', '--wait');
      if (answer === 'degraded')
        throw new Error(
          `units failed: ${await this.#systemctl(leaderPid, '--failed', '--no-legend', '--plain')}`,
        );
      return answer === 'running';
    });
    state.bootMs = Date.now() - started;
    writeFileSync(join(this.folder, 'host.json'), JSON.stringify(state));
    return state;
  }

  async #systemctl(leaderPid, ...args) {
    const child = spawn(
      'nsenter',
      ['-t', String(leaderPid), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', '--', 'systemctl', ...args],
      { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH } },
    );
    return (await finish(child, { timeoutMs: 20_000 }, () => child.kill('SIGKILL'))).stdout.toString().trim();
  }

  /** SIGTERM to all that the command started, SIGKILL two seconds later. */
  async #endScope(unit, pid) {
    const folders = findCgroups(`${unit}.scope`);
    const signalAll = (signal) => {
      const pids = folders.flatMap(processesIn);
      for (const each of pids.length > 0 ? pids : [pid]) killQuietly(each, signal);
      return pids.length === 0;
    };
    signalAll('SIGTERM');
    await waitUntil('SIGTERM', 2000, () => folders.flatMap(processesIn).length === 0).catch(() =>
      waitUntil('SIGKILL', 10_000, () => signalAll('SIGKILL')),
    );
  }

  /** Everything by its process id: what the state file names, what the cgroups hold, then the cgroups themselves. */
  async #remove() {
    const text = readText(join(this.folder, 'host.json'));
    const state = text === undefined ? {} : JSON.parse(text);
    // The leader first: the kernel ends a process id namespace with its first process, all at once.
    for (const each of [state.leader, state.supervisor]) if (isAlive(each)) killQuietly(each.pid, 'SIGKILL');
    await removeCgroups(findCgroups(this.cgroupName));
    for (const each of [state.leader, state.supervisor])
      await waitUntil(`ending process ${each?.pid}`, 20_000, () => !isAlive(each));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** One `up` or `down` at a time for a name; a lock whose owner has died counts for nothing. */
  async #locked(action) {
    const path = join(STATE, `${this.name}.lock`);
    const own = JSON.stringify(identify(process.pid));
    await waitUntil(`waiting for another up or down of ${this.name} (${path})`, 60_000, () => {
      try {
        mkdirSync(STATE, { recursive: true, mode: 0o755 });
        writeFileSync(path, own, { flag: 'wx' });
        return true;
      } catch (error) {
        if (error.code === 'ENOENT') return false;
        if (error.code !== 'EEXIST') throw error;
        const holder = readText(path);
        if (holder && !isAlive(JSON.parse(holder))) rmSync(path, { force: true });
        return false;
      }
    });
    try {
      return await action();
    } finally {
      rmSync(path, { force: true });
      removeIfEmpty(STATE);
    }
  }
}

/** Ends hosts `PREFIX-PID` whose process, which was to end them, has been killed. */
export async function removeStaleHosts(prefix) {
  const names = existsSync(STATE) ? readdirSync(STATE) : [];
  const stale = names.map((name) => new RegExp(`^(${prefix}-(\\d+))(\\.lock)?$`).exec(name));
  const hosts = new Set(
    stale.filter((match) => match && identify(match[2]) === undefined).map(([, name]) => name),
  );
  for (const name of hosts) await new ThrowawayHost(name).down();
}

/** Another host may be starting in it at this moment. */
function removeIfEmpty(folder) {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes(error.code)) throw error;
  }
}

/** `<last part of the checkout's path>-<hash of the whole>`, so that two checkouts have two hosts. */
function defaultName() {
  const readable = basename(REPOSITORY)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '');
  return `${readable.slice(0, 20) || 'checkout'}-${createHash('sha256').update(REPOSITORY).digest('hex').slice(0, 6)}`;
}

/** Directories that the host needs and that lie on another file system than `/`, which it would not see. */
function elsewhere() {
  const folder = dirname(dirname(process.execPath));
  return statSync(process.execPath).dev === statSync('/').dev ? [] : [folder];
}

function pathWithNode() {
  const folder = dirname(process.execPath);
  return PATH.split(':').includes(folder) ? PATH : `${folder}:${PATH}`;
}

function cgroupFiles(pid) {
  return cgroupsOf(pid).map((folder) => join(folder, 'cgroup.procs'));
}

/** Waits for a child; on time-out or abort calls `end`, which has to end it. */
export async function finish(child, { timeoutMs, signal }, end) {
  const output = { stdout: [], stderr: [] };
  for (const name of ['stdout', 'stderr']) child[name]?.on('data', (chunk) => output[name].push(chunk));
  let timedOut = false;
  let ending;
  const stop = () => {
    ending ??= Promise.resolve(end());
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          stop();
        }, timeoutMs);
  signal?.addEventListener('abort', stop);
  try {
    const exitCode = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, killedBy) => resolve(code ?? 128 + constants.signals[killedBy]));
    });
    await ending;
    const [stdout, stderr] = [Buffer.concat(output.stdout), Buffer.concat(output.stderr)];
    return { exitCode: timedOut ? TIMED_OUT : exitCode, timedOut, stdout, stderr };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}
