import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

async function cli(...words: readonly string[]) {
  const run = bed.start([...words]);
  run.stdin.end();
  return run.ended;
}

describe('a pod that is to come back, on a backend that brings none back', () => {
  it('is refused before anything is made, with what to do instead', async () => {
    const { exitCode, stderr } = await cli('run', '--persist', '--name', 'web', IMAGE, 'sleep', '1000');
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/brings no pods back after a reboot: leave persist out/);
    expect((await cli('ps', '-a', '-o', 'json')).stdout).toBe('[]\n');
  });

  it('has no help for what only units run', async () => {
    expect((await cli('--help')).stdout).not.toContain('restore');
  });
});
