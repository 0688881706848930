import { describe, expect, it } from 'vitest';
import { fitOutput } from './exec-output.js';

describe('fitOutput', () => {
  it.each([
    { stdout: 3, stderr: 2, fits: [3, 2] },
    { stdout: 10, stderr: 0, fits: [10, 0] },
    { stdout: 12, stderr: 3, fits: [7, 3] },
    { stdout: 12, stderr: 12, fits: [5, 5] },
    { stdout: 2, stderr: 12, fits: [2, 8] },
    { stdout: 0, stderr: 12, fits: [0, 10] },
  ])('of $stdout and $stderr bytes leaves $fits', ({ stdout, stderr, fits }) => {
    const cut = fitOutput({ stdout: Buffer.alloc(stdout), stderr: Buffer.alloc(stderr), exitCode: 0 }, 10);
    expect([cut.stdout.length, cut.stderr.length]).toEqual(fits);
  });
});
