import { afterEach, beforeEach, expect, it } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

async function runJob(name: string, script: string): Promise<void> {
  const run = await bed.run('run', '--name', name, '--restart', 'Never', IMAGE, 'sh', '-c', script);
  expect(run).toMatchObject({ exitCode: 0 });
}

it('waits for the end of all pods, beside whoever runs them, and tells how each ended', async () => {
  await runJob('good', 'sleep 0.3');
  await runJob('bad', 'sleep 0.1; exit 3');
  bed.accesses.length = 0;
  expect(await bed.run('wait', 'good')).toEqual({
    exitCode: 0,
    stdout: 'default/good Succeeded\n',
    stderr: '',
  });
  expect(await bed.run('wait', 'good', 'default/bad')).toEqual({
    exitCode: 1,
    stdout: 'default/good Succeeded\ndefault/bad Failed\n',
    stderr: '',
  });
  expect(new Set(bed.accesses)).toEqual(new Set(['observe']));
});

it('sees a pod that somebody kills', async () => {
  await runJob('long', 'trap "exit 0" TERM; while true; do sleep 0.05; done');
  const waiting = bed.start(['wait', 'long']);
  await bed.runtime.killPod({ name: 'long' }, { graceMs: 2000 });
  expect(await waiting.ended).toMatchObject({ exitCode: 0, stdout: 'default/long Succeeded\n' });
});

it('ends with 124 when the time runs out', async () => {
  await runJob('long', 'sleep 1000');
  const { exitCode, stdout, stderr } = await bed.run('wait', '--timeout', '100ms', 'long');
  expect([exitCode, stdout]).toEqual([124, '']);
  expect(stderr).toContain('default/long has not ended');
});

it.each(['30d', '60d'])('takes a time as long as %s', async (timeout) => {
  await runJob('short', 'sleep 0.3; exit 0');
  expect(await bed.run('wait', '--timeout', timeout, 'short')).toMatchObject({
    exitCode: 0,
    stdout: 'default/short Succeeded\n',
  });
});

it('ends with 130 when it is interrupted, and with 1 for a pod that is not there', async () => {
  await runJob('long', 'sleep 1000');
  const waiting = bed.start(['wait', 'long']);
  waiting.interrupt();
  expect(await waiting.ended).toMatchObject({ exitCode: 130, stderr: '' });
  expect(await bed.run('wait', 'nobody')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('nobody'),
  });
});
