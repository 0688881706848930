import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CliBed, IMAGE } from './cli.spec-helper.js';

const WAIT = { timeout: 10_000 };

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

/** Runs a pod `web` of one container with this shell script. */
async function runScript(script: string, ...flags: readonly string[]): Promise<void> {
  const run = await bed.run(
    'run',
    '--name',
    'web',
    ...flags,
    '--restart',
    'Never',
    IMAGE,
    'sh',
    '-c',
    script,
  );
  expect(run).toMatchObject({ exitCode: 0 });
}

describe('run', () => {
  it('runs the pod of a manifest, and says that a simulated one ends with it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cli-run-'));
    const path = join(folder, 'pod.yaml');
    await writeFile(
      path,
      `apiVersion: v1
kind: Pod
metadata: {name: one, uid: uid-1}
spec: {restartPolicy: Never, containers: [{name: a, image: "${IMAGE}", command: [sleep, "1000"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: other, uid: uid-2}
spec: {restartPolicy: Never, containers: [{name: a, image: "${IMAGE}", command: [sleep, "1000"]}]}
`,
    );
    const { exitCode, stdout, stderr } = await bed.run('run', path);
    expect([exitCode, stdout]).toEqual([0, 'default/one uid-1\nother/two uid-2\n']);
    expect(stderr).toContain('memory only simulates');
    expect(bed.accesses).toEqual(['exclusive']);
    await rm(folder, { recursive: true });
  });

  it('reads JSON from standard input', async () => {
    const cli = bed.start(['run', '-o', 'json', '-']);
    cli.stdin.end(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'one', uid: 'uid-1' },
        spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: IMAGE, command: ['sleep', '9'] }] },
      }),
    );
    const { exitCode, stdout } = await cli.ended;
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ uid: 'uid-1', name: 'one', namespace: 'default' }]);
  });

  it('makes a pod of an image and flags', async () => {
    await runScript('sleep 1000', '-e', 'A=b=c', '-l', 'app=x');
    const { manifest } = await bed.runtime.getPodStatus({ name: 'web' });
    expect(manifest).toMatchObject({
      metadata: { name: 'web', labels: { app: 'x' } },
      spec: {
        restartPolicy: 'Never',
        containers: [
          { name: 'web', image: IMAGE, args: ['sh', '-c', 'sleep 1000'], env: [{ name: 'A', value: 'b=c' }] },
        ],
      },
    });
  });

  it.each([
    [2, 'no Pod', ''],
    [2, 'neither YAML nor JSON', 'a: [1'],
    [2, 'apiVersion', '{}'],
    [
      2,
      'Document 2',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n---\nkind: 7',
    ],
  ])('ends with %s and says "%s" of a bad manifest, and runs nothing', async (code, words, text) => {
    const cli = bed.start(['run', '-']);
    cli.stdin.end(text);
    const { exitCode, stderr } = await cli.ended;
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(words)]);
    expect(stderr).toMatch(/^podwright: /);
    expect(await bed.runtime.getPods({ all: true })).toEqual([]);
  });

  it.each([
    [['/nowhere/pod.yaml'], 1, 'cannot be read'],
    [['--name', 'x', 'pod.yaml'], 2, 'together with a manifest'],
    [['--network', 'none', IMAGE], 2, 'pod or host'],
    [['-p', '80', IMAGE], 2, 'HOSTPORT:PORT'],
    [['-v', 'a:b', IMAGE], 2, 'HOSTPATH:PATH'],
    [['--name', 'Web', IMAGE], 2, 'metadata.name'],
    [['registry.test/none:1'], 1, 'could not be provided'],
    [['--restart', 'Sometimes', IMAGE], 2, 'restartPolicy'],
  ])('of %j ends with %i and one clear error', async (args, code, words) => {
    const { exitCode, stderr, stdout } = await bed.run('run', ...args);
    expect([exitCode, stdout, stderr]).toEqual([code, '', expect.stringContaining(words)]);
    expect(await bed.runtime.getPods({ all: true })).toEqual([]);
  });
});

describe('ps and inspect', () => {
  it('lists what runs, and with -a what has ended; for people and for programs', async () => {
    expect((await bed.run('ps')).stdout).toBe(
      'NAMESPACE   NAME   READY   STATUS   RESTARTS   IP   AGE   UID\n',
    );
    await runScript('exit 3');
    await expect.poll(async () => (await bed.run('ps', '-q')).stdout, WAIT).toBe('');
    const { stdout } = await bed.run('ps', '-a');
    expect(stdout).toMatch(/\ndefault +web +0\/1 +Error +0 /);
    const [pod] = JSON.parse((await bed.run('ps', '--all', '--output', 'json')).stdout);
    expect(pod).toMatchObject({
      name: 'web',
      phase: 'Failed',
      containers: [{ attempts: [{ exitCode: 3 }] }],
    });
    expect(parse((await bed.run('ps', '-a', '-o', 'yaml')).stdout)).toEqual([pod]);
    expect(bed.accesses).not.toContain(undefined);
    expect(new Set(bed.accesses.slice(-3))).toEqual(new Set(['observe']));
  });

  it('filters by label and namespace', async () => {
    await runScript('sleep 1000', '-l', 'app=x', '-l', 'tier=front', '-n', 'shop');
    const count = async (...args: string[]) =>
      (await bed.run('ps', '-q', ...args)).stdout.split('\n').length - 1;
    expect(await count('-l', 'app=x', '-l', 'tier=front', '-n', 'shop')).toBe(1);
    expect([await count('-l', 'app=y'), await count('-n', 'default')]).toEqual([0, 0]);
  });

  it('shows a pod as Kubernetes does, or as the library does', async () => {
    await runScript('sleep 1000');
    const pod = parse((await bed.run('inspect', 'web')).stdout);
    expect(pod).toMatchObject({ apiVersion: 'v1', kind: 'Pod', status: { phase: 'Running' } });
    expect(JSON.parse((await bed.run('inspect', 'default/web', '-o', 'json')).stdout)).toEqual(pod);
    const raw = JSON.parse((await bed.run('inspect', pod.metadata.uid, '--raw', '-o', 'json')).stdout);
    expect(raw).toMatchObject({
      phase: 'Running',
      sandboxReady: true,
      manifest: pod.spec && { kind: 'Pod' },
    });
    const { exitCode, stderr } = await bed.run('inspect', 'nosuch');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('podwright ps -a')]);
  });
});

describe('logs', () => {
  it('gives each stream to its own, byte for byte', async () => {
    await runScript('echo out; echo err >&2; printf "\\n end"; sleep 1000');
    await expect.poll(async () => (await bed.run('logs', 'web')).stdout, WAIT).toContain('out\n\n');
    expect((await bed.run('logs', 'web')).stderr).toBe('err\n');
  });

  it('gives the last lines, the time of each, and refuses what is no time', async () => {
    await runScript('echo one; echo two; sleep 1000');
    await expect.poll(async () => (await bed.run('logs', '--tail', '1', 'web')).stdout, WAIT).toBe('two\n');
    expect((await bed.run('logs', 'web', '--tail', 'all', '--timestamps')).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z one\n\d{4}-.* two\n$/,
    );
    expect((await bed.run('logs', 'web', '--since', '1h')).stdout).toBe('one\ntwo\n');
    expect((await bed.run('logs', 'web', '--until', '1h')).stdout).toBe('');
    expect((await bed.run('logs', 'web', '--until', '0s')).stdout).toBe('one\ntwo\n');
    expect((await bed.run('logs', 'web', '--since', 'soon')).exitCode).toBe(2);
    expect((await bed.run('logs', 'web', '--previous')).exitCode).toBe(1);
  });

  it('follows until it is interrupted, which is its ordinary end', async () => {
    await runScript('echo one; sleep 1000');
    const cli = bed.start(['logs', '-f', 'web']);
    await cli.said('one');
    cli.interrupt();
    expect(await cli.ended).toEqual({ exitCode: 0, stdout: 'one\n', stderr: '' });
  });

  it('ends quietly when nobody reads on', async () => {
    await runScript('echo one; sleep 1000');
    const cli = bed.start(['logs', '-f', 'web']);
    await cli.said('one');
    cli.interrupt('broken-pipe');
    expect(await cli.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

describe('exec', () => {
  beforeEach(() => runScript('sleep 1000'));

  it.each([
    [['web', 'sh', '-c', 'echo out; echo err >&2; exit 7'], 7, 'out\n', 'err\n'],
    [['web', '--', 'echo', '-n', '-c'], 0, '-c', ''],
    [['-c', 'web', '-n', 'default', 'web', 'true'], 0, '', ''],
  ])('%j ends with the code of the command', async (args, exitCode, stdout, stderr) => {
    expect(await bed.run('exec', ...args)).toEqual({ exitCode, stdout, stderr });
  });

  it('gives it standard input with -i, and none without', async () => {
    const cli = bed.start(['exec', '-i', 'web', 'cat']);
    cli.stdin.end('some\0bytes');
    expect(await cli.ended).toMatchObject({ exitCode: 0, stdout: 'some\0bytes' });
    expect(await bed.run('exec', 'web', 'cat')).toMatchObject({ exitCode: 0, stdout: '' });
  });

  it.each([
    [['nosuch', 'true'], 125, 'no pod'],
    [['web', 'no-such-program'], 127, 'no-such-program'],
    [['-c', 'nosuch', 'web', 'true'], 125, 'nosuch'],
    [['web', '-c', 'web', 'true'], 2, "before the pod's name"],
    [['-it', 'web', 'sh'], 2, 'terminal'],
    [['web'], 2, 'missing required argument'],
  ])('%j ends with %i', async (args, code, words) => {
    const { exitCode, stderr } = await bed.run('exec', ...args);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(words)]);
  });

  it('ends the command with SIGINT, and says so by its code', async () => {
    const cli = bed.start(['exec', 'web', 'sh', '-c', 'echo ready; sleep 1000']);
    await cli.said('ready');
    cli.interrupt();
    expect(await cli.ended).toMatchObject({ exitCode: 130, stderr: '' });
  });

  it('puts the terminal into raw mode for a command with a terminal, and back', async () => {
    const modes: boolean[] = [];
    const cli = bed.start(['exec', '-it', 'web', 'sh', '-c', 'exit 4'], ({ stdin, stdout }) => {
      stdin.isTTY = true;
      Object.assign(stdin, { setRawMode: (raw: boolean) => modes.push(raw) });
      Object.assign(stdout, { isTTY: true, columns: 100, rows: 40 });
    });
    expect((await cli.ended).exitCode).toBe(4);
    expect(modes).toEqual([true, false]);
    expect(cli.stdout.listenerCount('resize')).toBe(0);
  });
});

describe('kill and rm', () => {
  it('kills, and removes only what has ended unless told', async () => {
    await runScript('sleep 1000');
    expect(await bed.run('rm', 'web')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('rm -f'),
    });
    expect(await bed.run('kill', '--grace', '0', 'web')).toMatchObject({
      exitCode: 0,
      stdout: 'default/web\n',
    });
    expect(await bed.run('rm', 'web')).toMatchObject({ exitCode: 0, stdout: 'default/web\n' });
    await runScript('sleep 1000');
    expect(await bed.run('rm', '-f', '--grace', '0', 'gone', 'web')).toMatchObject({
      exitCode: 0,
      stdout: 'default/web\n',
    });
    expect(await bed.runtime.getPods({ all: true })).toEqual([]);
  });

  it('goes on with the others after a failure', async () => {
    await runScript('sleep 1000');
    const { exitCode, stdout, stderr } = await bed.run('kill', '--grace', '0', 'gone', 'web');
    expect([exitCode, stdout, stderr]).toEqual([1, 'default/web\n', expect.stringContaining('default/gone')]);
  });

  it.each([
    [['kill', 'gone'], 1, 'default/gone'],
    [['rm', 'gone'], 1, 'default/gone'],
    [['kill', 'a/b/c'], 2, 'NAMESPACE/NAME'],
    [['kill', 'a/b', '-n', 'c'], 2, 'different namespaces'],
    [['kill', '--grace', 'soon', 'web'], 2, 'seconds'],
  ])('%j ends with %i', async (args, code, words) => {
    const { exitCode, stderr } = await bed.run(...args);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(words)]);
  });
});

describe('images', () => {
  it('pulls with plain lines where no terminal is, and lists and removes it', async () => {
    const { exitCode, stdout, stderr } = await bed.run('pull', IMAGE);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/)]);
    expect(stderr).toMatch(/^Resolving registry\.test\/app:1\n/);
    expect(stderr).not.toContain('\u001b');
    expect((await bed.run('images')).stdout).toMatch(/\nregistry\.test\/app +1 +[0-9a-f]{12} /);
    expect((await bed.run('images', '-q')).stdout).toBe(stdout);
    expect(JSON.parse((await bed.run('images', '-o', 'json')).stdout)).toMatchObject([{ repoTags: [IMAGE] }]);
    expect(await bed.run('rmi', IMAGE)).toMatchObject({ exitCode: 0 });
    expect(await bed.run('rmi', IMAGE)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('no image'),
    });
    expect(await bed.run('rmi', '-f', IMAGE)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(new Set(bed.accesses)).toEqual(new Set(['observe']));
  });

  it('shows a bar on a terminal, on a line of its own', async () => {
    const cli = bed.start(['pull', IMAGE], ({ stderr }) =>
      Object.assign(stderr, { isTTY: true, columns: 60 }),
    );
    const { stderr } = await cli.ended;
    const lines = stderr.split('\r\u001b[K');
    expect(lines.at(-1)).toMatch(/^[a-z]+ \[[#-]{24}\] \d+\/\d+ layers.*\n$/);
    expect(lines.slice(0, -1).join('')).not.toContain('\n');
  });

  it.each([
    [['pull', 'registry.test/secret:1'], 1, '--creds'],
    [['pull', '--creds', 'me:wrong', 'registry.test/secret:1'], 1, 'podwright: '],
    [['pull', '--creds', 'me', 'registry.test/secret:1'], 2, 'USER:PASSWORD'],
    [['pull', '--creds', 'a:b', '--authfile', '/x', 'registry.test/secret:1'], 2, 'Only one'],
    [['pull', 'UPPER'], 2, 'capital'],
    [['load', '/nowhere.tar'], 1, '/nowhere.tar'],
  ])('%j ends with %i', async (args, code, words) => {
    const { exitCode, stderr, stdout } = await bed.run(...args);
    expect([exitCode, stdout, stderr]).toEqual([code, '', expect.stringContaining(words)]);
  });

  it('takes credentials whose password has a colon', async () => {
    expect(await bed.run('pull', '-q', '--creds', 'me:se:cret', 'registry.test/secret:1')).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
  });

  it('keeps an image that is in use', async () => {
    await runScript('sleep 1000');
    expect(await bed.run('rmi', IMAGE)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('in use'),
    });
  });
});

describe('gc, events, version, doctor', () => {
  it('collects what has ended', async () => {
    await runScript('exit 0');
    await bed.run('kill', 'web');
    const { exitCode, stdout } = await bed.run('gc', '--max-per-container', '0', '-o', 'json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      errors: [],
      removed: expect.arrayContaining([expect.any(String)]),
    });
    bed.accesses.length = 0;
    for (const flags of [['--dry-run'], []]) expect((await bed.run('gc', ...flags)).exitCode).toBe(0);
    expect(bed.accesses).toEqual(['observe', 'exclusive']);
    expect((await bed.run('gc', '--min-age', 'old')).exitCode).toBe(2);
    for (const wrong of ['85', '80:85', '101:80'])
      expect((await bed.run('gc', '--images', wrong)).exitCode).toBe(2);
  });

  it('tells what happens until it is interrupted', async () => {
    const text = bed.start(['events', '-n', 'default']);
    const json = bed.start(['events', '-o', 'json']);
    // Both subscribe once their runtime is open.
    await expect.poll(() => bed.accesses.length, WAIT).toBe(2);
    await runScript('sleep 1000');
    await Promise.all([text.said('Started'), json.said('Started')]);
    text.interrupt();
    json.interrupt();
    expect((await text.ended).stdout).toMatch(
      /Z Normal Started default\/web\{web\}: Container web was started\.\n/,
    );
    const events = (await json.ended).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events).toContainEqual(expect.objectContaining({ reason: 'Started', type: 'Normal' }));
    expect((await text.ended).exitCode).toBe(0);
  });

  it('tells versions', async () => {
    expect((await bed.run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await bed.run('version')).stdout).toMatch(/^podwright +\d+\.\d+\.\d+\nbackend +memory /);
    expect(JSON.parse((await bed.run('version', '--client', '-o', 'json')).stdout)).toEqual({
      podwright: expect.stringMatching(/^\d/),
    });
  });

  it('knows no requirements of another backend', async () => {
    expect(await bed.run('doctor', '--backend', 'memory')).toMatchObject({ exitCode: 0, stdout: '' });
    // The first to load this command takes eight seconds on a busy machine.
  }, 60_000);
});

describe('the command line', () => {
  it.each([
    [['pss'], 'Did you mean ps?'],
    [['ps', '--al'], 'Did you mean --all?'],
    [['ps', 'surplus'], 'too many arguments'],
    [['ps', '-o', 'xml'], 'json, yaml'],
    [['ps', '--lock-timeout', '-3'], 'seconds'],
    [['ps', '--state-dir', 'relative'], 'absolute path'],
    [['--config', '/nowhere.yaml', 'ps'], '/nowhere.yaml'],
  ])('%j is refused with a suggestion or the reason', async (args, words) => {
    const { exitCode, stderr, stdout } = await bed.run(...args);
    expect([stdout, stderr]).toEqual(['', expect.stringContaining(words)]);
    expect(exitCode).toBe(args.includes('--config') ? 1 : 2);
    expect(stderr).toMatch(/^podwright: /);
  });

  it('shows its help, with the exit codes, and the help of each command', async () => {
    const { exitCode, stdout } = await bed.run('--help');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('Exit codes:')]);
    for (const name of ['run', 'exec', 'port-forward']) {
      const help = await bed.run(name, '--help');
      expect(help).toMatchObject({ exitCode: 0, stderr: '' });
      expect(await bed.run('help', name)).toEqual(help);
    }
    expect(await bed.run('help')).toMatchObject({ exitCode: 0, stderr: '', stdout });
    expect((await bed.run()).exitCode).toBe(2);
  });
});
