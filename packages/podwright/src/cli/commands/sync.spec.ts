import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

function manifest(spec: Readonly<Record<string, unknown>>, metadata = {}): string {
  const full = { terminationGracePeriodSeconds: 0, ...spec };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', ...metadata },
    spec: full,
  });
}

const running = (more = {}) => ({ name: 'a', image: IMAGE, command: ['sleep', '1000'], ...more });

async function sync(text: string, ...flags: readonly string[]) {
  const cli = bed.start(['sync', ...flags, '-']);
  cli.stdin.end(text);
  return cli.ended;
}

describe('sync', () => {
  it('prints each action, and nothing to do the second time', async () => {
    const text = manifest({ containers: [running()] });
    const first = await sync(text);
    expect(first.exitCode).toBe(0);
    expect(first.stdout).toMatch(/^default\/web create-sandbox: .+\ndefault\/web start-container a: .+\n$/);
    const second = await sync(text);
    expect([second.exitCode, second.stdout]).toEqual([0, 'default/web unchanged\n']);
  });

  it('replaces what has changed in the pod of this name', async () => {
    await sync(manifest({ containers: [running(), running({ name: 'b' })] }));
    const { uid } = await bed.runtime.getPodStatus({ name: 'web' });
    const { stdout } = await sync(manifest({ containers: [running({ tty: true }), running({ name: 'b' })] }));
    expect(stdout.split('\n').map((line) => line.split(':')[0])).toEqual([
      'default/web kill-container a',
      'default/web start-container a',
      '',
    ]);
    expect((await bed.runtime.getPodStatus({ name: 'web' })).uid).toBe(uid);
  });

  it('ends with 1 when an action failed, tells of it, and does the rest', async () => {
    const { exitCode, stdout } = await sync(
      manifest({ containers: [running(), { name: 'b', image: 'nowhere.test/none:1' }] }),
    );
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/start-container b: failed: .*nowhere\.test/);
    const { containers } = await bed.runtime.getPodStatus({ name: 'web' });
    expect(containers.map(({ name, state }) => [name, state])).toEqual([['a', 'running']]);
  });

  it('waits for init containers, and ends with 1 when they fail for good', async () => {
    const init = (code: number) => [{ name: 'i', image: IMAGE, command: ['sh', '-c', `exit ${code}`] }];
    const good = await sync(manifest({ initContainers: init(0), containers: [running()] }));
    expect(good.exitCode).toBe(0);
    expect((await bed.runtime.getPodStatus({ name: 'web' })).phase).toBe('Running');
    const spec = { restartPolicy: 'Never', initContainers: init(3), containers: [running()] };
    const bad = await sync(manifest(spec, { name: 'other' }));
    expect([bad.exitCode, bad.stderr]).toEqual([1, expect.stringContaining('before its containers started')]);
  });

  it('warns of what takes a living agent', async () => {
    const livenessProbe = { exec: { command: ['true'] } };
    const { exitCode, stdout, stderr } = await sync(manifest({ containers: [running({ livenessProbe })] }));
    expect([exitCode, stderr]).toEqual([
      0,
      expect.stringMatching(
        /^podwright: warning: .*containers\[a\]\.livenessProbe, nor starts a of default\/web again: .*podwright agent --manifests/m,
      ),
    ]);
    expect(stdout).not.toContain('warning');
    expect((await sync(manifest({ containers: [running()] }, { name: 'plain' }))).stderr).not.toContain(
      'warning',
    );
  });

  it('is refused where no pod can come back after a reboot', async () => {
    const { exitCode, stderr } = await sync(manifest({ containers: [running()] }), '--persist');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('brings no pods back after a reboot')]);
    expect(await bed.runtime.getPods({ all: true })).toEqual([]);
  });

  it('gives the result for programs', async () => {
    const { stdout } = await sync(manifest({ containers: [running()] }, { uid: 'uid-1' }), '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject([
      {
        uid: 'uid-1',
        actions: [{ action: 'create-sandbox' }, { action: 'start-container', container: 'a' }],
      },
    ]);
  });

  it.each([
    ['{}', 'kind'],
    ['a: [1', 'neither YAML nor JSON'],
    ['', 'no Pod'],
  ])('ends with 2 of a bad manifest: %s', async (text, words) => {
    const { exitCode, stderr } = await sync(text);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});
