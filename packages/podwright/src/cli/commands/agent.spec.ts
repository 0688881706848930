import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GcResult } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CliBed } from '../cli.spec-helper.js';

let bed: CliBed;
let manifests: string;

beforeEach(async () => {
  bed = await CliBed.start();
  manifests = mkdtempSync(join(tmpdir(), 'podwright-agent-command-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await bed[Symbol.asyncDispose]();
  rmSync(manifests, { recursive: true });
});

describe('the garbage collection of podwright agent', () => {
  const NOTHING: GcResult = { removed: [], marked: [], errors: [] };

  it.each<[readonly string[], object]>([
    [[], { highPercent: 85, lowPercent: 80, minAgeMs: 120_000 }],
    [['--gc-images', '70:60'], { highPercent: 70, lowPercent: 60, minAgeMs: 120_000 }],
  ])('with %j asks for images by its thresholds, again and again', async (flags, images) => {
    const collect = vi.spyOn(bed.runtime, 'garbageCollect').mockResolvedValue(NOTHING);
    const running = bed.start(['agent', '--manifests', manifests, '--gc-interval', '10ms', ...flags]);
    await expect.poll(() => collect.mock.calls.length).toBeGreaterThan(1);
    running.interrupt('SIGTERM');
    expect((await running.ended).stderr).toContain('The agent ends; pods run on');
    expect(collect.mock.calls[0]?.[1]).toMatchObject({ images });
  });

  it.each([
    [['--gc-interval', 'soon'], '--gc-interval'],
    [['--gc-images', '80:85'], '--gc-images'],
  ])('refuses %j', async (flags, words) => {
    const run = await bed.run('agent', '--manifests', manifests, ...flags);
    expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(words) });
  });

  it('is off with an interval of 0', async () => {
    const collect = vi.spyOn(bed.runtime, 'garbageCollect').mockResolvedValue(NOTHING);
    const looked = vi.spyOn(bed.runtime, 'getPods');
    const running = bed.start(['agent', '--manifests', manifests, '--gc-interval', '0']);
    await expect.poll(() => looked.mock.calls.length).toBeGreaterThan(0);
    running.interrupt('SIGTERM');
    await running.ended;
    expect(collect).not.toHaveBeenCalled();
  });
});
