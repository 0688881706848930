// Where tests, demo and benchmarks find systemd: on this machine, or on a throw-away host that they boot and end.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startRegistries, stopRegistries } from '../test/host/registry.mjs';
import { isSystemdMachine, whyNoHost } from '../test/host/requirements.mjs';
import { finish, REPOSITORY, removeStaleHosts, ThrowawayHost } from '../test/host/throwaway-host.mjs';

/** Variables of this environment that commands on the host get as well. */
const PASSED_ON = /^(CI|NO_COLOR|FORCE_COLOR|TERM|PODWRIGHT_.*|VITEST_.*)$/;

/**
 * Whether the real thing has to be there: as root on Linux, and for continuous integration. Then a test that was left
 * out or a fallback counts as a failure.
 */
export function isRealRequired() {
  return process.env.CI === 'true' || (process.platform === 'linux' && process.getuid() === 0);
}

/** Why this machine cannot show the real thing, with the way to get it, in one sentence; undefined when it can. */
export function whyNotReal() {
  return whyNoHost();
}

/**
 * Gives `action` a host with systemd, its registries filled, and takes it down whatever happens, also on SIGINT and
 * SIGTERM.
 * @param purpose part of the host's name, such as `test`
 * @param action gets `{shared, name, exec(command, args, {timeoutMs, stdio})}`; `shared`: this machine itself, on
 *   which others work too
 */
export async function withRealHost(purpose, action) {
  const abort = new AbortController();
  const onSignal = (signal) => abort.abort(new Error(`ended by ${signal}`));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal);
  try {
    return isSystemdMachine()
      ? await onThisMachine(action, abort.signal)
      : await onThrowawayHost(purpose, action, abort.signal);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, onSignal);
  }
}

async function onThisMachine(action, signal) {
  await startRegistries();
  try {
    const exec = (command, args, options = {}) => {
      const child = spawn(command, args, {
        cwd: REPOSITORY,
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
      });
      return finish(child, { ...options, signal }, () => {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      });
    };
    return await action({ shared: true, name: 'this machine', exec });
  } finally {
    await stopRegistries();
  }
}

async function onThrowawayHost(purpose, action, signal) {
  await removeStaleHosts(purpose);
  const host = new ThrowawayHost(`${purpose}-${process.pid}`);
  try {
    const { bootMs } = await host.up();
    console.error(`host: ${host.name} booted in ${bootMs} ms`);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)));
    const exec = async (command, args, options = {}) => {
      signal.throwIfAborted();
      const result = await host.exec(command, args, { cwd: REPOSITORY, env, ...options, signal });
      signal.throwIfAborted();
      return result;
    };
    const images = await exec(process.execPath, [join(REPOSITORY, 'test/host/registry.mjs'), 'up'], {
      timeoutMs: 120_000,
    });
    if (images.exitCode !== 0) throw new Error('the registries of the tests did not start (see above)');
    return await action({ shared: false, name: host.name, exec });
  } finally {
    await host.down();
  }
}
