// npm run host -- up|exec|down|status: the throw-away host with systemd, see test/host/README.md.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isSystemdMachine } from '../test/host/requirements.mjs';
import { finish, ThrowawayHost } from '../test/host/throwaway-host.mjs';

const USAGE = `npm run host -- up [--name NAME] [--images]
npm run host -- exec [--name NAME] [--timeout SECONDS] [--cwd DIR] [--env NAME=VALUE]… [-i] -- COMMAND [ARGUMENT…]
npm run host -- status [--name NAME]
npm run host -- down [--name NAME]

  --name NAME        one of several hosts at once; default: made from the checkout's path
  --images           up: also start the registries of the tests inside, with their images (test/host/images.ts)
  --timeout SECONDS  exec: end the command and all it started then, exit code 124; default 600
  --cwd DIR          exec: working directory; default: the present one
  --env NAME=VALUE   exec: added to a clean environment
  -i                 exec: give the command this command's input`;

class UsageError extends Error {}

function parse(argv) {
  const [command, ...rest] = argv;
  const parsed = { command, args: [], env: {}, timeoutMs: 600_000, input: false, images: false };
  while (rest.length > 0) {
    const option = rest.shift();
    const value = () => {
      if (rest.length === 0) throw new UsageError(`${option} needs a value`);
      return rest.shift();
    };
    if (option === '--') parsed.args = rest.splice(0);
    else if (option === '--name') parsed.name = value();
    else if (option === '--cwd') parsed.cwd = value();
    else if (option === '--images') parsed.images = true;
    else if (option === '-i') parsed.input = true;
    else if (option === '--timeout') parsed.timeoutMs = seconds(value()) * 1000;
    else if (option === '--env') Object.assign(parsed.env, variable(value()));
    else throw new UsageError(`unknown option ${option}`);
  }
  return parsed;
}

function seconds(text) {
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) === 0 || Number(text) > 86_400)
    throw new UsageError(`--timeout takes a number of seconds up to a day, not ${text}`);
  return Number(text);
}

function variable(text) {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--env takes NAME=VALUE, not ${text}`);
  return { [name]: value };
}

async function exec(options) {
  const [command, ...args] = options.args;
  if (command === undefined) throw new UsageError('exec needs a command after --');
  const abort = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => abort.abort());
  const run = {
    cwd: options.cwd ?? process.cwd(),
    env: options.env,
    timeoutMs: options.timeoutMs,
    signal: abort.signal,
    stdio: [options.input ? 'inherit' : 'ignore', 'inherit', 'inherit'],
  };
  const result = isSystemdMachine()
    ? await execHere(command, args, run)
    : await new ThrowawayHost(options.name).exec(command, args, run);
  if (result.timedOut) console.error(`host: ended after ${options.timeoutMs / 1000} s: ${command}`);
  return result.exitCode;
}

async function execHere(command, args, run) {
  const child = spawn(command, args, {
    ...{ cwd: run.cwd, stdio: run.stdio, detached: true },
    env: { ...process.env, ...run.env },
  });
  return await finish(child, run, () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });
}

async function startImages(options) {
  const args = [fileURLToPath(new URL('../test/host/registry.mjs', import.meta.url)), 'up'];
  const exitCode = await exec({
    ...options,
    cwd: '/',
    args: [process.execPath, ...args],
    timeoutMs: 120_000,
  });
  if (exitCode === 0)
    console.log('host: the registries on 127.0.0.1:5000 and :5001 have the images of the tests');
  return exitCode;
}

async function main(argv) {
  const options = parse(argv);
  if (options.command === 'exec') return await exec(options);
  if (options.args.length > 0) throw new UsageError(`${options.command} takes no command`);
  if (!['up', 'down', 'status'].includes(options.command))
    throw new UsageError('say up, exec, status or down');
  if (isSystemdMachine()) {
    console.log('host: systemd is the first process of this machine; commands run on it directly');
    return options.images ? await startImages(options) : 0;
  }
  const host = new ThrowawayHost(options.name);
  if (options.command === 'up') {
    const { booted, bootMs, leader } = await host.up();
    console.log(
      `host: ${host.name} is up (${booted ? `booted in ${bootMs} ms` : 'already running'}, process ${leader.pid})`,
    );
    return options.images ? await startImages(options) : 0;
  }
  if (options.command === 'down') {
    await host.down();
    console.log(`host: ${host.name} is down`);
    return 0;
  }
  const state = host.status();
  console.log(`host: ${host.name} is ${state === undefined ? 'down' : `up, process ${state.leader.pid}`}`);
  return state === undefined ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`host: ${error.message}${error instanceof UsageError ? `\n\n${USAGE}` : ''}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
