import type { PodContainer, PodSummary, PullEvent } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { formatFindings } from './findings.js';
import { formatImages } from './image-table.js';
import { podStatusWord } from './pod-table.js';
import { PullProgress, progressLine, pullLine } from './pull-progress.js';
import { formatAge, formatBytes, formatTimestampUs } from './quantities.js';
import { formatTable } from './table.js';

function container(changes: Partial<PodContainer>): PodContainer {
  return {
    name: 'a',
    id: 'memory://1',
    kind: 'app',
    state: 'running',
    image: 'a',
    imageId: 'sha256:1',
    createdAtMs: 0,
    restartCount: 0,
    attempts: [],
    ready: false,
    ...changes,
  };
}

function pod(phase: PodSummary['phase'], containers: readonly PodContainer[]): PodSummary {
  const metadata = { uid: 'u', name: 'n', namespace: 'd', labels: {}, annotations: {}, createdAtMs: 0 };
  return { ...metadata, phase, ips: [], containers };
}

const ended = (exitCode: number, reason?: string) => ({
  state: 'exited' as const,
  attempts: [
    { attempt: 0, startedAtMs: 0, finishedAtMs: 1, exitCode, ...(reason === undefined ? {} : { reason }) },
  ],
});

describe('podStatusWord', () => {
  it.each([
    ['Running', pod('Running', [container({})])],
    ['Pending', pod('Pending', [])],
    ['CrashLoopBackOff', pod('Running', [container({ state: 'waiting', reason: 'CrashLoopBackOff' })])],
    ['Completed', pod('Succeeded', [container(ended(0, 'Completed'))])],
    ['OOMKilled', pod('Failed', [container(ended(0)), container(ended(137, 'OOMKilled'))])],
    ['ExitCode:3', pod('Failed', [container(ended(3))])],
    ['Init:0/1', pod('Pending', [container({ kind: 'init' })])],
    ['Init:Error', pod('Failed', [container({ kind: 'init', ...ended(1, 'Error') })])],
  ])('%s', (word, summary) => expect(podStatusWord(summary)).toBe(word));
});

describe('quantities', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [2_150_000, '2.15 MB'],
    [999_999, '1 MB'],
    [15_200_000_000, '15.2 GB'],
  ])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [-5, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [185_000, '3m5s'],
    [3_600_000, '60m'],
    [15_120_000, '4h12m'],
    [172_800_000, '2d'],
    [176_400_000, '2d1h'],
    [864_000_000, '10d'],
  ])('%d ms of age', (ms, text) => expect(formatAge(ms)).toBe(text));

  it('writes microseconds', () => {
    expect(formatTimestampUs(1_700_000_000_000_007)).toBe('2023-11-14T22:13:20.000007Z');
  });
});

describe('tables', () => {
  it('align columns and end lines without blanks', () => {
    expect(
      formatTable([
        ['A', 'LONG', ''],
        ['aaa', 'b', ''],
        ['a', '', 'c'],
      ]),
    ).toBe('A     LONG\naaa   b\na            c\n');
    expect(formatTable([])).toBe('');
  });

  it('have a line for each name of an image', () => {
    const image = { id: `sha256:${'a'.repeat(64)}`, sizeBytes: 1000, labels: {}, repoDigests: [] };
    expect(
      formatImages(
        [
          { ...image, repoTags: ['h:5000/a:1', 'h:5000/b:2'] },
          { ...image, repoTags: [] },
        ],
        0,
      ),
    ).toBe(
      'REPOSITORY   TAG      IMAGE ID       CREATED   SIZE\n' +
        'h:5000/a     1        aaaaaaaaaaaa   -         1 kB\n' +
        'h:5000/b     2        aaaaaaaaaaaa   -         1 kB\n' +
        '<none>       <none>   aaaaaaaaaaaa   -         1 kB\n',
    );
  });

  it('of findings say below each what to do', () => {
    expect(
      formatFindings([
        { name: 'crun', state: 'ok', found: '1.8' },
        { name: 'socat', state: 'warn', found: 'not found', fix: 'apt-get install socat' },
        { name: 'conmon', state: 'fail', found: 'not found', fix: 'apt-get install conmon' },
      ]),
    ).toBe(
      'ok    crun    1.8\n' +
        'warn  socat   not found\n' +
        '              fix: apt-get install socat\n' +
        'fail  conmon  not found\n' +
        '              fix: apt-get install conmon\n' +
        '\nPods cannot run here: 1 thing is missing, with 1 warning.\n',
    );
  });
});

describe('progress of a pull', () => {
  const layer = (digest: string, state: 'downloading' | 'done', totalBytes?: number): PullEvent => ({
    type: 'layer',
    digest: `sha256:${digest}`,
    state,
    ...(totalBytes === undefined ? {} : { totalBytes }),
  });

  it('counts bytes, or layers where no size is known, within the width', () => {
    const progress = new PullProgress();
    expect(progressLine(progress, 80)).toBe(`resolving [${'-'.repeat(24)}] 0/0 layers`);
    progress.add(layer('a', 'downloading', 3_000_000));
    progress.add(layer('b', 'downloading', 1_000_000));
    progress.add(layer('a', 'done'));
    expect(progressLine(progress, 80)).toBe(
      `pulling [${'#'.repeat(18)}${'-'.repeat(6)}] 1/2 layers  3 MB of 4 MB`,
    );
    expect(progressLine(progress, 20)).toHaveLength(19);
    const unknown = new PullProgress();
    unknown.add(layer('a', 'downloading'));
    unknown.add(layer('b', 'done'));
    expect(progressLine(unknown, 80)).toContain(`[${'#'.repeat(12)}${'-'.repeat(12)}] 1/2 layers`);
  });

  it('is a line for each step elsewhere', () => {
    expect(pullLine(layer('0123456789abcdef', 'done', 1000))).toBe('Layer 0123456789ab: done (1 kB)');
    expect(pullLine({ type: 'storing' })).toBe('Storing');
  });
});
