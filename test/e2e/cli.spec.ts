import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContainerRuntime } from '@podwright/core';
import { createRuntime } from 'podwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  absentImage,
  authRegistry,
  deadRegistry,
  testArchives,
  testImages,
  testRegistry,
} from '../host/images.js';

const BIN = fileURLToPath(new URL('../../packages/podwright/dist/command/podwright.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'podwright-cli-'));
const at = (...parts: readonly string[]) => join(folder, ...parts);
const runDir = `/run/podwright-cli-${process.pid}`;
const config = {
  stateDir: at('state'),
  runDir,
  backendOptions: {
    insecureRegistries: [testRegistry, authRegistry.address, deadRegistry],
    imageStore: { root: at('store'), runRoot: `${runDir}/store` },
  },
};
const children = new Set<ChildProcess>();

interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  /** All it wrote, as soon as that has this text; fails when it ends before. */
  said(text: string): Promise<string>;
}

/** Starts a program of this host with pipes. */
function start(command: string, args: readonly string[], input?: string | Buffer): Command {
  const child = spawn(command, args, {
    cwd: folder,
    stdio: 'pipe',
    env: { ...process.env, PODWRIGHT_CONFIG: at('config.yaml') },
  });
  children.add(child);
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk;
    });
  }
  child.stdin.on('error', () => undefined);
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, 'close').then(([exitCode]) => {
    children.delete(child);
    return { exitCode, ...texts };
  });
  const said = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const all = texts.stdout + texts.stderr;
        if (all.includes(text)) resolve(all);
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      void ended.then((outcome) => reject(new Error(`ended without "${text}": ${JSON.stringify(outcome)}`)));
      look();
    });
  return { child, ended, said };
}

function startPodwright(...args: readonly string[]): Command {
  return start(process.execPath, [BIN, ...args]);
}

function podwright(...args: readonly string[]): Promise<Outcome> {
  return start(process.execPath, [BIN, ...args], '').ended;
}

async function succeed(...args: readonly string[]): Promise<string> {
  const outcome = await podwright(...args);
  expect(outcome, args.join(' ')).toMatchObject({ exitCode: 0 });
  return outcome.stdout;
}

/** Runs a pod of one container, whose first process is this script. */
async function runScript(name: string, script: string, ...flags: readonly string[]): Promise<void> {
  await succeed(
    'run',
    '--name',
    name,
    '--restart',
    'Never',
    ...flags,
    testImages.busybox,
    'sh',
    '-c',
    script,
  );
}

const asleep = 'trap "exit 0" TERM; sleep 1000 & wait';

beforeAll(() => {
  writeFileSync(at('config.yaml'), JSON.stringify(config));
});

/** Without a process of its own: what is there is looked at after every test. */
async function withRuntime<T>(
  access: 'exclusive' | 'observe',
  action: (runtime: ContainerRuntime) => Promise<T>,
): Promise<T> {
  await using runtime = await createRuntime(config, { access, lockTimeoutMs: 10_000 });
  await runtime.start();
  return await action(runtime);
}

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await withRuntime('exclusive', async (runtime) => {
    for (const { uid } of await runtime.getPods({ all: true }))
      await runtime.removePod({ uid }, { graceMs: 0 });
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(runDir, { recursive: true, force: true });
});

describe('podwright', () => {
  it('runs a pod that lives on, and shows, kills and removes it', async () => {
    const manifest = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', uid: 'web-uid', labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 5,
        containers: [{ name: 'web', image: testImages.busybox, command: ['sh', '-c', `echo up; ${asleep}`] }],
      },
    };
    const run = start(process.execPath, [BIN, 'run', '-'], JSON.stringify(manifest));
    expect(await run.ended).toEqual({ exitCode: 0, stdout: 'default/web web-uid\n', stderr: '' });
    expect(await succeed('ps', '-l', 'app=web')).toMatch(
      /\ndefault +web +1\/1 +Running +0 +\d+\.\d+\.\d+\.\d+ /,
    );
    expect(await succeed('ps', '-l', 'app=other', '-q')).toBe('');
    expect(parse(await succeed('inspect', 'web'))).toMatchObject({
      metadata: { uid: 'web-uid' },
      status: { phase: 'Running', podIP: expect.any(String), containerStatuses: [{ ready: true }] },
    });
    expect(JSON.parse(await succeed('inspect', 'web', '--raw', '-o', 'json'))).toMatchObject({
      sandboxReady: true,
      containers: [{ id: expect.stringMatching(/^systemd:\/\/[0-9a-f]{64}$/) }],
    });
    const again = start(process.execPath, [BIN, 'run', '-'], JSON.stringify(manifest));
    expect(await again.ended).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('exists already'),
    });
    expect(await podwright('rm', 'web')).toMatchObject({ exitCode: 1 });
    expect(await succeed('kill', 'web')).toBe('default/web\n');
    expect(await succeed('ps', '-q')).toBe('');
    expect(await succeed('logs', 'web')).toBe('up\n');
    expect(await succeed('rm', 'web')).toBe('default/web\n');
    expect(await succeed('ps', '-a', '-q')).toBe('');
  });

  it('shows what a container wrote, each stream to its own, byte for byte', async () => {
    await runScript('talker', `printf 'a\\0b\\n\\n  c \\n'; echo err >&2; ${asleep}`);
    await expect
      .poll(() => podwright('logs', 'talker'), { timeout: 40_000 })
      .toEqual({
        exitCode: 0,
        stdout: 'a\0b\n\n  c \n',
        stderr: 'err\n',
      });
    expect(await podwright('logs', 'talker', '--tail', '1')).toMatchObject({ exitCode: 0 });
    expect(await succeed('logs', 'talker', '--since', '1h', '--timestamps')).toMatch(/^\d{4}-.*Z a\0b\n/);
    expect(await podwright('logs', 'talker', '--previous')).toMatchObject({ exitCode: 1 });
  });

  it('follows logs while another command removes the pod, and ends quietly when nobody reads on', async () => {
    await runScript('talker', `i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; ${asleep}`);
    const follow = startPodwright('logs', '-f', 'talker');
    await follow.said('line 2999');
    const head = await start('sh', ['-c', '"$0" "$1" logs talker | head -n 1', process.execPath, BIN], '')
      .ended;
    expect(head).toEqual({ exitCode: 0, stdout: 'line 0\n', stderr: '' });
    await succeed('rm', '-f', '--grace', '1', 'talker');
    const { exitCode, stdout } = await follow.ended;
    expect([exitCode, stdout.split('\n').length]).toEqual([0, 3001]);
  });

  it('fails in a line when its output cannot be written', async () => {
    const script = '"$0" "$1" ps -o json > /dev/full';
    expect(await start('sh', ['-c', script, process.execPath, BIN], '').ended).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/^podwright: Standard output cannot be written: ENOSPC.*\n$/),
    });
  });

  it('runs commands in a container, with their exit codes and their input', async () => {
    await runScript('box', asleep);
    expect(await podwright('exec', 'box', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
      exitCode: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const bytes = randomBytes(300_000);
    await start(process.execPath, [BIN, 'exec', '-i', 'box', 'sh', '-c', 'cat > /big'], bytes).ended;
    const sum = spawn('md5sum');
    sum.stdin.end(bytes);
    const [expected] = await once(sum.stdout, 'data');
    expect((await succeed('exec', 'box', 'md5sum', '/big')).slice(0, 32)).toBe(String(expected).slice(0, 32));
    expect(await podwright('exec', 'box', 'no-such-program')).toMatchObject({ exitCode: 127 });
    expect(await podwright('exec', 'nosuch', 'true')).toMatchObject({ exitCode: 125 });
    const sleeper = startPodwright('exec', 'box', 'sh', '-c', 'echo ready; exec sleep 777');
    await sleeper.said('ready');
    sleeper.child.kill('SIGINT');
    expect(await sleeper.ended).toMatchObject({ exitCode: 130, stderr: '' });
    expect(await succeed('exec', 'box', 'ps')).not.toContain('sleep 777');
  });

  it('gives a command a terminal of the size of this one, and puts this one back', async () => {
    await runScript('box', asleep);
    const inside = `stty size; read line; echo "got $line"; exit 5`;
    const script = `stty cols 101 rows 43; before=$(stty -g); ${process.execPath} ${BIN} exec -it box sh -c '${inside}'; echo "code $?"; [ "$before" = "$(stty -g)" ] && echo restored`;
    const terminal = start('script', ['-qec', script, '/dev/null']);
    await terminal.said('43 101');
    terminal.child.stdin?.write('typed\n');
    await terminal.said('restored');
    const { stdout } = await terminal.ended;
    expect(stdout).toContain('got typed');
    expect(stdout).toContain('code 5');
  });

  it('copies both ways', async () => {
    await runScript('box', asleep);
    mkdirSync(at('site/sub'), { recursive: true });
    writeFileSync(at('site/index.html'), 'hello');
    writeFileSync(at('site/sub/deep'), 'deep');
    await succeed('cp', 'site', 'box:/srv');
    await succeed('cp', 'site/index.html', 'box:/srv/other');
    expect(await succeed('exec', 'box', 'cat', '/srv/index.html', '/srv/sub/deep', '/srv/other')).toBe(
      'hellodeephello',
    );
    await succeed('cp', 'default/box:/srv', 'back');
    expect(readdirSync(at('back')).sort()).toEqual(['index.html', 'other', 'sub']);
    expect(readFileSync(at('back/sub/deep'), 'utf8')).toBe('deep');
    expect(await podwright('cp', 'box:/nosuch', 'x')).toMatchObject({ exitCode: 1 });
    expect(await podwright('cp', 'nosuch', 'box:/x')).toMatchObject({ exitCode: 1 });
    expect(existsSync(at('x'))).toBe(false);
    // The last tar: the applets of busybox are found by name.
    await succeed('exec', 'box', 'sh', '-c', 'for d in /bin /sbin /usr/bin /usr/sbin; do rm -f $d/tar; done');
    expect(await podwright('cp', 'box:/srv', 'x')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('no program tar'),
    });
  });

  it('forwards ports until it is interrupted', async () => {
    await succeed(
      ...['run', '--name', 'web', '--restart', 'Never', testImages.busybox],
      ...['sh', '-c', 'mkdir /pages; echo hello > /pages/index.html; exec httpd -f -p 8080 -h /pages'],
    );
    const forward = startPodwright('port-forward', 'web', ':8080');
    const port = /:(\d+) to port 8080/.exec(await forward.said('to port 8080'))?.[1];
    const fetchPage = async () => (await fetch(`http://127.0.0.1:${port}/index.html`)).text();
    // It may take a moment until the server listens.
    await expect.poll(() => fetchPage().catch(() => ''), { timeout: 30_000 }).toBe('hello\n');
    expect(await Promise.all([fetchPage(), fetchPage(), fetchPage()])).toEqual([
      'hello\n',
      'hello\n',
      'hello\n',
    ]);
    expect(await podwright('port-forward', 'web', `${port}:8080`)).toMatchObject({ exitCode: 1 });
    forward.child.kill('SIGINT');
    expect(await forward.ended).toMatchObject({ exitCode: 0 });
  });
});

describe('podwright beside an agent', () => {
  it('reads, enters and pulls, and waits its turn for changing pods', async () => {
    const agent = await createRuntime(config);
    await agent.start();
    try {
      const result = await agent.runPod({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'of-the-agent' },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'a', image: testImages.busybox, command: ['sh', '-c', `echo hi; ${asleep}`] }],
        },
      } as never);
      expect(await succeed('ps', '-q')).toBe(`${result.uid}\n`);
      expect(await succeed('exec', 'of-the-agent', 'echo', 'inside')).toBe('inside\n');
      expect(await succeed('logs', 'of-the-agent')).toBe('hi\n');
      await succeed('pull', '-q', testImages.layers);
      await succeed('rmi', testImages.layers);
      expect(await podwright('rmi', testImages.busybox)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('used'),
      });
      expect(await podwright('kill', '--lock-timeout', '0.2', 'of-the-agent')).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining(`process ${process.pid}`),
      });
      const follow = startPodwright('logs', '-f', 'of-the-agent');
      await follow.said('hi');
      await agent.removePod({ name: 'of-the-agent' });
      expect(await follow.ended).toMatchObject({ exitCode: 0 });
    } finally {
      await agent[Symbol.asyncDispose]();
    }
  });

  it('changes pods in two terminals at once, one after the other', async () => {
    const names = ['one', 'two', 'three'];
    const patient = ['--lock-timeout', '50'];
    await Promise.all(names.map((name) => runScript(name, asleep, ...patient)));
    expect((await succeed('ps', '-q')).trim().split('\n')).toHaveLength(3);
    await Promise.all(names.map((name) => succeed('rm', ...patient, '-f', '--grace', '0', name)));
    expect(await succeed('ps', '-a', '-q')).toBe('');
  });

  it('tells what happens to pods of another command', async () => {
    const events = startPodwright('events', '-o', 'json');
    // It says nothing by itself: pods are run until it tells of one.
    const heard = events.said('"Exited"');
    let isHeard = false;
    void heard.then(() => {
      isHeard = true;
    });
    for (let i = 0; !isHeard && i < 10; i++) await runScript(`short-${i}`, 'exit 3');
    await heard;
    events.child.kill('SIGTERM');
    const { exitCode, stdout } = await events.ended;
    expect(exitCode).toBe(0);
    const all = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(all).toContainEqual(expect.objectContaining({ reason: 'Exited', type: 'Warning' }));
    expect(all[0].object).toMatchObject({
      kind: 'Pod',
      namespace: 'default',
      name: expect.stringMatching(/^short-/),
    });
  });
});

describe('podwright and images', () => {
  it('pulls, lists, loads and removes them', async () => {
    const pull = await podwright('pull', testImages.layers);
    expect(pull).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) });
    expect(pull.stderr).toMatch(/^Resolving .*\n(Layer [0-9a-f]{12}: .*\n)+Storing\n$/);
    expect(await succeed('images')).toMatch(
      new RegExp(`\n${testRegistry}/podwright/layers +1 +[0-9a-f]{12} `),
    );
    expect(await succeed('load', testArchives.docker)).toContain(testArchives.reference);
    expect(await succeed('load', '--name', 'localhost/mine:1', testArchives.oci)).toContain(
      'localhost/mine:1',
    );
    await succeed('rmi', testImages.layers, testArchives.reference, 'localhost/mine:1');
    expect(await podwright('rmi', testImages.layers)).toMatchObject({ exitCode: 1 });
  });

  it('takes credentials of one pull', async () => {
    const { username, password, busybox } = authRegistry;
    expect(await podwright('pull', busybox)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--creds'),
    });
    const wrong = await podwright('pull', '--creds', `${username}:wrong`, busybox);
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('unauthorized') });
    await succeed('pull', '-q', '--creds', `${username}:${password}`, busybox);
    await succeed('rmi', busybox);
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    writeFileSync(at('auth.json'), JSON.stringify({ auths: { [authRegistry.address]: { auth } } }), {
      mode: 0o600,
    });
    await succeed('pull', '-q', '--authfile', at('auth.json'), busybox);
    await succeed('rmi', busybox);
  });
});

describe('podwright and the host', () => {
  it('collects what has ended', async () => {
    await runScript('gone', 'exit 0');
    await succeed('kill', 'gone');
    const { removed, errors } = JSON.parse(await succeed('gc', '--max-per-container', '0', '-o', 'json'));
    expect(errors).toEqual([]);
    expect(removed.length).toBeGreaterThan(0);
    expect(JSON.parse(await succeed('gc', '--min-age', '1h', '-o', 'json')).removed).toEqual([]);
  });

  it('says what this host has, and what it lacks and how to get it', async () => {
    const results = JSON.parse(await succeed('doctor', '-o', 'json'));
    expect(results).toContainEqual(expect.objectContaining({ name: 'crun', state: 'ok' }));
    expect(results).toContainEqual(expect.objectContaining({ name: 'systemd', state: 'ok' }));
    const options = {
      ...config.backendOptions,
      binaries: { conmon: '/nowhere', skopeo: '/nowhere' },
      seccompProfile: '/nowhere',
    };
    writeFileSync(at('lacking.yaml'), JSON.stringify({ ...config, backendOptions: options }));
    const { exitCode, stdout } = await podwright('doctor', '--config', at('lacking.yaml'));
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^fail +conmon .*\n +fix: apt-get install conmon/m);
    expect(stdout).toMatch(/^fail +skopeo .*\n +fix: apt-get install skopeo/m);
    expect(stdout).toMatch(/^fail +seccomp profile/m);
    expect(await podwright('ps', '--config', at('lacking.yaml'))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('podwright doctor'),
    });
  });

  it('checks the host from inside a container', async () => {
    expect(await podwright('doctor', '--in-container', '/nowhere')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('-v /:/nowhere'),
    });
    // The host's root as a container would have it, without one.
    expect(await succeed('doctor', '--in-container', '/')).toMatch(
      /^ok +host tools .*\nok +host mounts .*\nok +host PID 1 +systemd/m,
    );
  });

  it('tells versions', async () => {
    const { runtime } = JSON.parse(await succeed('version', '-o', 'json'));
    expect(runtime).toMatchObject({ runtimeName: 'systemd', components: { crun: expect.any(String) } });
  });

  it.each<[string, readonly string[], number]>([
    ['an image that is not there', ['run', '--name', 'x', absentImage], 1],
    ['a registry that does not answer', ['run', '--name', 'x', `${deadRegistry}/x/y:1`], 1],
    ['a program that is not in the image', ['run', '--name', 'x', testImages.busybox, '/no/such/program'], 1],
    [
      'a directory of the host that is not there',
      ['run', '--name', 'x', '-v', '/no/such:/x', testImages.busybox],
      1,
    ],
    ['no image reference', ['run', '--name', 'x', 'No:Such:Image'], 2],
    ['no name for a pod', ['run', '--name', 'X_', testImages.busybox], 2],
    ['no configuration', ['--config', '/no/such', 'ps'], 1],
    ['an unknown backend', ['--backend', 'no-such-backend', 'ps'], 2],
  ])('gives one clear error for %s, and leaves nothing behind', async (_what, args, code) => {
    const { exitCode, stdout, stderr } = await podwright(...args);
    expect([exitCode, stdout]).toEqual([code, '']);
    expect(stderr).toMatch(/^podwright: (?!internal)/);
    expect(stderr).not.toContain('defect');
    expect(await withRuntime('observe', (runtime) => runtime.getPods({ all: true }))).toEqual([]);
    expect(readdirSync(at('state', 'containers'))).toEqual([]);
  });
});
