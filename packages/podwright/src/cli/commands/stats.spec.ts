import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
  for (const name of ['web', 'other']) {
    const run = await bed.run('run', '--name', name, '--restart', 'Never', IMAGE, 'sleep', '1000');
    expect(run).toMatchObject({ exitCode: 0 });
  }
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

describe('stats', () => {
  it('shows what pods and containers use', async () => {
    const { exitCode, stdout } = await bed.run('stats');
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^POD +CONTAINER +CPU +MEMORY +READ +WRITTEN +PIDS +RECEIVED +SENT +DISK$/);
    expect(lines[1]).toMatch(/^default\/other +- +1\.0 % +1\.05 MB +0 B +0 B +1 /);
    expect(lines[2]).toMatch(/^ +other +1\.0 % +1\.05 MB +0 B +0 B +1 +- +- +\d+ B$/);
    expect(lines).toHaveLength(5);
  });

  it('shows one pod, for programs', async () => {
    const { stdout } = await bed.run('stats', '-o', 'json', 'web');
    expect(JSON.parse(stdout)).toMatchObject([
      { metadata: { name: 'web' }, volumes: [], containers: [{ name: 'web', pids: 1 }] },
    ]);
  });

  it('goes on with --watch until it is interrupted', async () => {
    const cli = bed.start(['stats', '--watch', '--interval', '0.05', 'web']);
    await cli.said('1.0 %');
    cli.interrupt();
    const { exitCode, stdout } = await cli.ended;
    expect(exitCode).toBe(0);
    expect(stdout.match(/^POD/gm)?.length).toBeGreaterThan(1);
  });

  it('fails for a pod that is not there', async () => {
    const { exitCode, stdout, stderr } = await bed.run('stats', 'none');
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain('default/none');
  });
});

describe('update', () => {
  it('changes limits, and the manifest with them', async () => {
    const { exitCode } = await bed.run('update', 'web', '--memory', '64Mi', '--cpu', '1.5', '--pids', '7');
    expect(exitCode).toBe(0);
    const { manifest } = await bed.runtime.getPodStatus({ name: 'web' });
    expect(manifest?.spec.containers[0]?.resources.limits).toEqual({ cpu: '1500m', memory: '67108864' });
    const [stats] = (await bed.runtime.stats()).filter(({ metadata }) => metadata.name === 'web');
    expect(stats?.containers[0]?.memory.availableBytes).toBe(64 * 1024 ** 2 - 1024 ** 2);
  });

  it.each([
    [['web'], 2, 'nothing to update'],
    [['web', '--memory', 'much'], 2, 'quantity'],
    [['web', '--memory', '1Ki'], 1, 'uses'],
    [['none', '--memory', '1Gi'], 1, 'default/none'],
  ])('%j ends with %i', async (args, code, words) => {
    const { exitCode, stderr } = await bed.run('update', ...args);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(words)]);
  });
});
