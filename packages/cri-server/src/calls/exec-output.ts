import type { ExecSyncResult } from '@podwright/core';

/**
 * Most output that an answer of ExecSync carries, in bytes: a kubelet takes messages of 16 MiB, and the answer is a
 * little more than its output.
 */
export const EXEC_OUTPUT_LIMIT = 16 * 1024 * 1024 - 1024;

/** Cuts the ends off, so that both fit: stderr, which is short and tells why, first has up to a half. */
export function fitOutput({ stdout, stderr }: ExecSyncResult, limit: number) {
  const err = Math.min(stderr.length, Math.max(Math.floor(limit / 2), limit - stdout.length));
  return { stdout: stdout.subarray(0, limit - err), stderr: stderr.subarray(0, err) };
}
