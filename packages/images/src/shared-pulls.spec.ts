import { type Image, type PullEvent, type PullOptions, silentLogger } from '@podwright/core';
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { ImagePuller } from './image-puller.js';
import { SharedPulls } from './shared-pulls.js';

const IMAGE: Image = { id: 'sha256:1', repoTags: [], repoDigests: [], sizeBytes: 0, labels: {} };
const DIGEST = `sha256:${'a'.repeat(64)}`;

interface FakePull {
  readonly reference: string;
  readonly emit: (event: PullEvent) => void;
  readonly signal: AbortSignal;
  readonly finish: (image: Image) => void;
  readonly fail: (error: Error) => void;
}

function setUp() {
  const running: FakePull[] = [];
  const puller: Pick<ImagePuller, 'pull'> = {
    pull: (reference, _options, emit, signal) =>
      new Promise((finish, fail) => running.push({ reference, emit, signal, finish, fail })),
  };
  return { running, pulls: new SharedPulls(puller as ImagePuller, silentLogger) };
}

const first = (running: readonly FakePull[]): FakePull => {
  const [pull] = running;
  if (pull === undefined) throw new Error('no pull was started');
  return pull;
};

describe('SharedPulls', () => {
  it('starts nothing before somebody subscribes', () => {
    const { running, pulls } = setUp();
    pulls.pull('busybox');
    expect(running).toEqual([]);
  });

  it.each<[string, [string, PullOptions], [string, PullOptions], number]>([
    ['two ways to write a reference', ['busybox', {}], ['docker.io/library/busybox:latest', {}], 1],
    ['a tag beside a digest', [`busybox:1@${DIGEST}`, {}], [`busybox@${DIGEST}`, {}], 1],
    ['two tags', ['busybox:1', {}], ['busybox:2', {}], 2],
    [
      'the same credentials',
      ['x', { auth: { username: 'a', password: 'b' } }],
      ['x', { auth: { username: 'a', password: 'b' } }],
      1,
    ],
    [
      'other credentials',
      ['x', { auth: { username: 'a', password: 'b' } }],
      ['x', { auth: { username: 'a', password: 'c' } }],
      2,
    ],
    ['credentials and none', ['x', {}], ['x', { authFile: '/a' }], 2],
  ])('%s', (_, one, two, count) => {
    const { running, pulls } = setUp();
    pulls.pull(...one).subscribe();
    pulls.pull(...two).subscribe();
    expect(running).toHaveLength(count);
  });

  it('tells a later subscriber everything', async () => {
    const { running, pulls } = setUp();
    const early = lastValueFrom(pulls.pull('x').pipe(toArray()));
    first(running).emit({ type: 'resolving', reference: 'x' });
    const late = lastValueFrom(pulls.pull('x').pipe(toArray()));
    first(running).finish(IMAGE);
    const events = [
      { type: 'resolving', reference: 'x' },
      { type: 'done', image: IMAGE },
    ];
    expect([await early, await late]).toEqual([events, events]);
    pulls.pull('x').subscribe();
    expect(running).toHaveLength(2);
  });

  it('fails for all subscribers, and starts anew afterwards', async () => {
    const { running, pulls } = setUp();
    const both = [lastValueFrom(pulls.pull('x')), lastValueFrom(pulls.pull('x'))];
    first(running).fail(new Error('no network'));
    for (const one of both) await expect(one).rejects.toThrow('no network');
    pulls.pull('x').subscribe();
    expect(running).toHaveLength(2);
  });

  it('is cancelled by its last subscriber, and a new one starts anew', () => {
    const { running, pulls } = setUp();
    const [one, two] = [pulls.pull('x').subscribe(), pulls.pull('x').subscribe()];
    one.unsubscribe();
    expect(first(running).signal.aborted).toBe(false);
    two.unsubscribe();
    expect(first(running).signal.aborted).toBe(true);
    pulls.pull('x').subscribe();
    expect(running).toHaveLength(2);
  });

  it('waits at its end for what still runs, and then pulls no more', async () => {
    const { running, pulls } = setUp();
    const errors: unknown[] = [];
    pulls.pull('x').subscribe({ error: (error) => errors.push(error) });
    pulls.pull('y').subscribe().unsubscribe();
    let isClosed = false;
    const closing = pulls.close().then(() => {
      isClosed = true;
    });
    for (const { signal, fail } of running) {
      expect(signal.aborted).toBe(true);
      await Promise.resolve();
      expect(isClosed).toBe(false);
      fail(new Error('ended'));
    }
    await closing;
    expect(errors).toMatchObject([{ message: 'ended' }]);
    await expect(lastValueFrom(pulls.pull('x'))).rejects.toMatchObject({ kind: 'closed' });
  });

  it('refuses a wrong reference', async () => {
    await expect(lastValueFrom(setUp().pulls.pull('Wrong'))).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
  });
});
