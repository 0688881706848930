import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CliBed, IMAGE, type StartedCli } from '../cli.spec-helper.js';

let bed: CliBed;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-attach-'));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  bed = await CliBed.start();
});
afterEach(() => bed[Symbol.asyncDispose]());

/** Runs a pod `web` with the containers `main`, which runs this script, and `side`. */
async function runPod(script: string, fields: object = {}): Promise<void> {
  const path = join(folder, 'pod.json');
  const main = { name: 'main', image: IMAGE, command: ['sh', '-c', script], ...fields };
  const side = { name: 'side', image: IMAGE, command: ['sleep', '100000'] };
  const spec = { restartPolicy: 'Never', containers: [main, side] };
  await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec }));
  expect(await bed.run('run', path)).toMatchObject({ exitCode: 0 });
}

const DIALOGUE = 'while read -r line; do echo "got $line"; done; exit 7';

/** Makes a command's streams those of a terminal. @returns the modes it was set to */
function terminal({ stdin, stdout }: StartedCli): readonly boolean[] {
  const modes: boolean[] = [];
  stdin.isTTY = true;
  Object.assign(stdin, { setRawMode: (raw: boolean) => modes.push(raw) });
  Object.assign(stdout, { isTTY: true, columns: 100, rows: 40 });
  return modes;
}

describe('attach', () => {
  it('passes input on, and ends with the exit code of the container', async () => {
    await runPod(DIALOGUE, { stdin: true, stdinOnce: true });
    const cli = bed.start(['attach', '-c', 'main', 'web']);
    cli.stdin.end('one\n');
    expect(await cli.ended).toMatchObject({ exitCode: 7, stdout: 'got one\n' });
    expect(bed.accesses.at(-1)).toBe('observe');
  });

  it('gives the size of the terminal, and is left by the keys, in pieces', async () => {
    await runPod('read -r x; stty size; while read -r x; do echo "got $x"; done', { stdin: true, tty: true });
    let modes: readonly boolean[] = [];
    const cli = bed.start(['attach', '-c', 'main', 'web'], (started) => {
      modes = terminal(started);
    });
    cli.stdin.write('\n');
    await cli.said('40 100');
    cli.stdin.write('a\u0010b\n');
    await cli.said('got a\u0010b');
    cli.stdin.write('\u0010');
    cli.stdin.write('\u0011');
    expect(await cli.ended).toMatchObject({
      exitCode: 0,
      stderr: 'podwright: detached; the container runs on.\n',
    });
    expect(modes).toEqual([true, false]);
    expect(cli.stdout.listenerCount('resize')).toBe(0);
    expect(cli.stdin.listenerCount('data')).toBe(0);
  });

  it('is left by other keys when told so', async () => {
    await runPod(DIALOGUE, { stdin: true, tty: true });
    const cli = bed.start(['attach', '--detach-keys', 'ctrl-a,d', '-c', 'main', 'web'], (started) => {
      terminal(started);
    });
    cli.stdin.write('\u0010\u0011\n');
    await cli.said('got \u0010\u0011');
    cli.stdin.write('\u0001d');
    expect((await cli.ended).exitCode).toBe(0);
  });

  it('does not look for keys in what no person types', async () => {
    await runPod('while read -r x; do echo "got $x"; done; exit 3', { stdin: true, stdinOnce: true });
    const cli = bed.start(['attach', '-c', 'main', 'web']);
    cli.stdin.end('\u0010\u0011\n');
    expect(await cli.ended).toMatchObject({ exitCode: 3, stdout: 'got \u0010\u0011\n' });
  });

  it('is interrupted, and the container runs on', async () => {
    await runPod('read -r x; echo "saw $x"; sleep 100000', { stdin: true });
    const cli = bed.start(['attach', '-c', 'main', 'web']);
    cli.stdin.write('me\n');
    await cli.said('saw me');
    cli.interrupt();
    expect(await cli.ended).toMatchObject({ exitCode: 130 });
    expect((await bed.run('exec', '-c', 'main', 'web', 'true')).exitCode).toBe(0);
  });

  it.each([
    ['a container without input', ['-c', 'side', 'web'], 1, 'without stdin'],
    ['keys that are none', ['--detach-keys', 'ctrl-1', '-c', 'main', 'web'], 2, 'no key to detach with'],
    ['a pod that is not there', ['none'], 1, 'none'],
  ])('refuses %s', async (_what, args, exitCode, words) => {
    await runPod('sleep 100000', { stdin: true });
    expect(await bed.run('attach', ...args)).toMatchObject({
      exitCode,
      stderr: expect.stringContaining(words),
    });
  });

  it('sees the output only, of a container without input', async () => {
    await runPod('until [ -e /go ]; do echo waiting; sleep 0.05; done; echo seen; exit 5');
    const cli = bed.start(['attach', '--no-stdin', '-c', 'main', 'web']);
    await cli.said('waiting');
    await bed.run('exec', '-c', 'main', 'web', 'touch', '/go');
    expect(await cli.ended).toMatchObject({
      exitCode: 5,
      stdout: expect.stringMatching(/^(waiting\n)+seen\n$/),
    });
  });
});

describe('exec', () => {
  it('is left by the keys, and its command is ended', async () => {
    await runPod('sleep 100000');
    const cli = bed.start(
      ['exec', '-it', '-c', 'side', 'web', 'sh', '-c', 'echo ready; sleep 100000'],
      (started) => {
        terminal(started);
      },
    );
    await cli.said('ready');
    cli.stdin.write('\u0010\u0011');
    expect(await cli.ended).toMatchObject({ exitCode: 137, stderr: expect.stringContaining('detached') });
  });
});

describe('debug', () => {
  it('adds a container and says its name', async () => {
    await runPod('sleep 100000');
    const added = await bed.run('debug', '--image', IMAGE, 'web', '--', 'sleep', '100000');
    expect(added).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^debug-[0-9a-f]{5}\n$/) });
    const name = added.stdout.trim();
    expect(await bed.run('exec', '-c', name, 'web', 'echo', 'inside')).toMatchObject({ stdout: 'inside\n' });
    const inspected = JSON.parse((await bed.run('inspect', '-o', 'json', 'web')).stdout) as {
      status: { ephemeralContainerStatuses: readonly { name: string; state: object }[] };
    };
    expect(inspected.status.ephemeralContainerStatuses).toMatchObject([
      { name, state: { running: expect.anything() } },
    ]);
  });

  it('attaches with -i, and ends with the exit code of the container', async () => {
    await runPod('sleep 100000');
    const cli = bed.start([
      ...['debug', '-i', '--image', IMAGE, '-c', 'look', '--target', 'main', '-e', 'WORD=hi'],
      ...['web', '--', 'sh', '-c', 'read -r x; echo "$WORD $x"; exit 9'],
    ]);
    cli.stdin.end('there\n');
    expect(await cli.ended).toMatchObject({ exitCode: 9, stdout: 'hi there\n' });
  });

  it('shows the log of one that has ended already', async () => {
    await runPod('sleep 100000');
    const cli = bed.start(['debug', '-i', '--image', IMAGE, 'web', '--', 'sh', '-c', 'echo short; exit 4']);
    cli.stdin.end();
    expect(await cli.ended).toMatchObject({ exitCode: 4, stdout: 'short\n' });
  });

  it.each([
    [['-it', '--image', IMAGE, 'web'], 2, 'need a terminal'],
    [['web'], 2, '--image'],
    [['--image', IMAGE, '-c', 'side', 'web'], 1, 'already'],
    [['--image', IMAGE, '--target', 'none', 'web'], 1, 'no such container'],
  ])('refuses %j', async (args, exitCode, words) => {
    await runPod('sleep 100000');
    expect(await bed.run('debug', ...args)).toMatchObject({
      exitCode,
      stderr: expect.stringMatching(new RegExp(words === 'already' ? 'has a container side' : words)),
    });
  });
});
