import {
  Clock,
  type ErrorKind,
  type Image,
  ImageService,
  Logger,
  PodwrightError,
  type PullEvent,
  type PullOptions,
  type PullPolicy,
  silentLogger,
} from '@podwright/core';
import { Container } from 'inversify';
import { Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ImageEnsurer } from './image-ensurer.js';
import { ImagePullOptions } from './image-pull-options.js';
import { ImageUses, ImageUsesFile } from './image-uses.js';
import { ManualClock } from './manual-clock.spec-helper.js';

const imageOf = (reference: string): Image => ({
  id: `id of ${reference}`,
  repoTags: [reference],
  repoDigests: [],
  sizeBytes: 1,
  labels: {},
});

/** An image service whose pulls end when the test says so, unless they are told to end at once. */
function setUp(options: ImagePullOptions = {}) {
  const present = new Map<string, Image>();
  const running = new Map<string, { succeed(): void; fail(kind: 'unauthorized' | 'cancelled'): void }>();
  const pulled: { reference: string; options: PullOptions }[] = [];
  let ends: 'later' | 'well' | 'badly' = 'later';
  const broken = new Map<string, PodwrightError>();
  const images = {
    imageStatus: async (reference: string) => {
      const error = broken.get(reference);
      if (error) throw error;
      return present.get(reference);
    },
    pullImage: (reference: string, pullOptions: PullOptions = {}) =>
      new Observable<PullEvent>((subscriber) => {
        pulled.push({ reference, options: pullOptions });
        const succeed = () => {
          running.delete(reference);
          broken.delete(reference);
          present.set(reference, imageOf(reference));
          subscriber.next({ type: 'done', image: imageOf(reference) });
          subscriber.complete();
        };
        const fail = (kind: 'unauthorized' | 'cancelled') => {
          running.delete(reference);
          subscriber.error(new PodwrightError(kind, `no ${reference}`));
        };
        running.set(reference, { succeed, fail });
        if (ends === 'well') succeed();
        if (ends === 'badly') fail('unauthorized');
        return () => running.delete(reference);
      }),
  };
  const clock = new ManualClock();
  const container = new Container();
  container.bind(Clock).toConstantValue(clock);
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(ImageService).toConstantValue(images as unknown as ImageService);
  container.bind(ImagePullOptions).toConstantValue(options);
  container.bind(ImageUsesFile).toConstantValue(undefined);
  for (const part of [ImageUses, ImageEnsurer]) container.bind<object>(part).to(part).inSingletonScope();
  const ensurer = container.get(ImageEnsurer);
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    ensurer,
    clock,
    present,
    broken,
    running,
    pulled,
    settle,
    uses: container.get(ImageUses),
    end: (how: typeof ends) => {
      ends = how;
    },
  };
}

describe('back-off', () => {
  const owner = { backOffOwner: 'uid-1' };

  it('grows from 10 s to 5 min, and asks no registry meanwhile', async () => {
    const { ensurer, clock, pulled, end } = setUp();
    end('badly');
    const waits: number[] = [];
    for (let failures = 1; failures <= 7; failures++) {
      await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
      const error = await ensurer.ensure('web:1', 'Always', owner).catch((thrown: unknown) => thrown);
      if (!PodwrightError.is(error, 'image-pull-back-off')) throw error;
      expect(error).toMatchObject({
        details: { failures, lastKind: 'unauthorized' },
        cause: { kind: 'unauthorized' },
      });
      const waitMs = Number(error.details['retryAtMs']) - clock.nowMs();
      waits.push(waitMs);
      expect(pulled).toHaveLength(failures);
      clock.time += waitMs;
    }
    expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  });

  it('starts anew after a success', async () => {
    const { ensurer, clock, end } = setUp();
    end('badly');
    await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
    clock.time += 10_000;
    await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
    clock.time += 20_000;
    end('well');
    await ensurer.ensure('web:1', 'Always', owner);
    end('badly');
    await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
    clock.time += 10_000;
    await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
  });

  it.each<[string, Parameters<ImageEnsurer['ensure']>]>([
    ['another pod', ['web:1', 'Always', { backOffOwner: 'uid-2' }]],
    ['another image', ['db:1', 'Always', owner]],
    ['other credentials', ['web:1', 'Always', { ...owner, auth: { username: 'me', password: 'new' } }]],
    ['a caller of its own', ['web:1', 'Always', {}]],
  ])('is not that of %s', async (_, call) => {
    const { ensurer, end } = setUp();
    end('badly');
    await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
    await expect(ensurer.ensure('docker.io/library/web:1', 'Always', owner)).rejects.toMatchObject({
      kind: 'image-pull-back-off',
    });
    await expect(ensurer.ensure(...call)).rejects.toMatchObject({ kind: 'unauthorized' });
  });

  it('is no matter for an image that is there, nor after a cancelled pull or for a forgotten pod', async () => {
    const { ensurer, present, running, settle, end } = setUp();
    const pull = ensurer.ensure('web:1', 'Always', owner);
    await settle();
    running.get('web:1')?.fail('cancelled');
    await expect(pull).rejects.toMatchObject({ kind: 'cancelled' });
    end('badly');
    await expect(ensurer.ensure('web:1', 'IfNotPresent', owner)).rejects.toMatchObject({
      kind: 'unauthorized',
    });
    present.set('web:1', imageOf('web:1'));
    expect(await ensurer.ensure('web:1', 'IfNotPresent', owner)).toMatchObject({ pulled: false });
    ensurer.forget('uid-1');
    await expect(ensurer.ensure('web:1', 'Always', owner)).rejects.toMatchObject({ kind: 'unauthorized' });
  });
});

describe('pulls at once', () => {
  it.each<[string, ImagePullOptions, string[][]]>([
    ['one by default', {}, [['a'], ['b'], ['c']]],
    ['as many as allowed', { maxParallelPulls: 2 }, [['a', 'b'], ['c']]],
    ['all', { maxParallelPulls: Number.POSITIVE_INFINITY }, [['a', 'b', 'c']]],
  ])('are %s', async (_, options, rounds) => {
    const { ensurer, running, settle } = setUp(options);
    const all = Promise.all(['a', 'b', 'c'].map((name) => ensurer.ensure(name, 'Always')));
    for (const round of rounds) {
      await settle();
      expect([...running.keys()]).toEqual(round);
      for (const name of round) running.get(name)?.succeed();
    }
    expect(await all).toHaveLength(3);
  });

  it('become none when the pull before brought the image', async () => {
    const { ensurer, running, pulled, settle } = setUp();
    const all = Promise.all([ensurer.ensure('a', 'IfNotPresent'), ensurer.ensure('a', 'IfNotPresent')]);
    await settle();
    running.get('a')?.succeed();
    expect((await all).map((one) => one.pulled)).toEqual([true, false]);
    expect(pulled).toHaveLength(1);
  });

  it('go on after a failure, and after one that was cancelled while it waited', async () => {
    const { ensurer, running, settle } = setUp();
    const stop = new AbortController();
    const [first, second, third] = [
      ensurer.ensure('a', 'Always'),
      ensurer.ensure('b', 'Always', { signal: stop.signal }),
      ensurer.ensure('c', 'Always'),
    ];
    await settle();
    stop.abort();
    await expect(second).rejects.toMatchObject({ kind: 'cancelled' });
    running.get('a')?.fail('unauthorized');
    await expect(first).rejects.toMatchObject({ kind: 'unauthorized' });
    await settle();
    running.get('c')?.succeed();
    expect(await third).toMatchObject({ pulled: true });
  });

  it.each([0, -1, 1.5, Number.NaN])('cannot be %s', (maxParallelPulls) => {
    expect(() => setUp({ maxParallelPulls })).toThrow('maxParallelPulls');
  });
});

describe('an image that cannot be read', () => {
  it.each<[string, PullPolicy, ErrorKind, ErrorKind | 'pulled']>([
    ['damaged', 'IfNotPresent', 'corrupt-state', 'pulled'],
    ['damaged', 'Always', 'corrupt-state', 'pulled'],
    ['damaged', 'Never', 'corrupt-state', 'corrupt-state'],
    ['out of reach', 'IfNotPresent', 'permission-denied', 'permission-denied'],
  ])('and is %s, with %s', async (_, policy, kind, outcome) => {
    const { ensurer, broken, end, pulled } = setUp();
    end('well');
    broken.set('web:1', new PodwrightError(kind, 'no such file'));
    const result = await ensurer.ensure('web:1', policy).then(
      (ensured) => (ensured.pulled ? 'pulled' : 'present'),
      (error: unknown) => (PodwrightError.is(error) ? error.kind : error),
    );
    expect(result).toBe(outcome);
    expect(pulled).toHaveLength(outcome === 'pulled' ? 1 : 0);
  });
});

it('hands credentials on, and notes the use of pulled and of present images', async () => {
  const { ensurer, pulled, end, uses, clock } = setUp();
  end('well');
  const credentials = [{ type: 'kubernetes.io/dockercfg', content: '{}' }] as const;
  await ensurer.ensure('a', 'IfNotPresent', { credentials });
  expect(pulled).toEqual([{ reference: 'a', options: { credentials } }]);
  clock.time += 5;
  await ensurer.ensure('a', 'IfNotPresent');
  expect((await uses.detect(['id of a'], new Set())).get('id of a')).toEqual({
    firstDetectedMs: clock.time - 5,
    lastUsedMs: clock.time,
  });
});
