import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@podwright/core';
import { NEVER } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainerLogs } from './container-logs.js';

const NOW_MS = 1_000_000;
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-cri-logs-'));
  path = join(folder, '0.log');
  await writeFile(path, line('first'));
});

afterEach(() => rm(folder, { recursive: true }));

function line(text: string): string {
  return `2026-01-01T00:00:00.000000000Z stdout F ${text}\n`;
}

/** Of a container that ended some time ago; each sleep lets the runtime write one of `late`. */
function logs(endedAgoMs: number | undefined, late: string[] = []) {
  const sleeps: number[] = [];
  const ended = endedAgoMs !== undefined;
  const attempt = ended ? { finishedAtMs: NOW_MS - endedAgoMs } : {};
  const status = { state: ended ? 'exited' : 'running', attempts: [attempt] };
  const clock = {
    nowMs: () => NOW_MS,
    sleep: async (ms: number) => {
      sleeps.push(ms);
      const next = late.shift();
      if (next !== undefined) await appendFile(path, line(next));
    },
  };
  const states = { record: async () => ({ logPath: path }), statusOf: async () => status };
  const reader: ContainerLogs = Reflect.construct(ContainerLogs, [
    states,
    { events: NEVER },
    clock,
    silentLogger,
  ]);
  return { reader, sleeps };
}

async function texts(reader: ContainerLogs, options = {}): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const entry of reader.read('id', options)) found.push(String(entry.line));
  return found;
}

describe('the log of a container', () => {
  it.each([
    ['as it is', {}, ['first', 'second', 'third']],
    ['to its end', { follow: true }, ['first', 'second', 'third']],
    ['from its end', { tail: 2 }, ['second', 'third']],
  ])('that has just ended is read %s when it grows no more', async (_how, options, expected) => {
    const { reader } = logs(10, ['second', 'third']);
    expect(await texts(reader, options)).toEqual(expected);
  });

  it.each([
    ['runs', undefined],
    ['ended long ago', 60_000],
  ])('that %s is read at once', async (_state, endedAgoMs) => {
    const { reader, sleeps } = logs(endedAgoMs, ['second']);
    expect(await texts(reader)).toEqual(['first']);
    expect(sleeps).toEqual([]);
  });
});
