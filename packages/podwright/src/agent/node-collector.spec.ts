import {
  type Clock,
  ContainerRuntime,
  type GcResult,
  type ImageGcPolicy,
  parsePod,
  RuntimeService,
} from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { createContainer } from '../create-runtime.js';
import { NodeCollector } from './node-collector.js';
import { STATIC_FILE_ANNOTATION } from './static-manifests.js';

const IMAGE = 'registry.test/app:1';
const UNUSED = 'registry.test/unused:1';
const IMAGES: ImageGcPolicy = { highPercent: 0, lowPercent: 0, minAgeMs: 0 };

/** Lets a collector collect so many times. @returns what it logged, and how long it waited before each time */
async function collect(runtime: ContainerRuntime, times: number) {
  const [lines, waits]: [string[], number[]] = [[], []];
  const at = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const end = new AbortController();
  const clock: Clock = {
    nowMs: () => 0,
    sleep: async (delayMs) => {
      if (waits.length === times) end.abort();
      else waits.push(delayMs);
    },
  };
  await new NodeCollector(runtime, { intervalMs: 300_000, images: IMAGES }, clock, logger).run(end.signal);
  return { lines, waits };
}

it('removes unused images and pods of which nothing is left, but no pod of a file', async () => {
  const images = [IMAGE, UNUSED].map((reference) => ({ reference, config: { Cmd: ['sh', reference] } }));
  const container = await createContainer({ backend: 'memory', backendOptions: { registry: { images } } });
  await using runtime = container.get<ContainerRuntime>(ContainerRuntime);
  await runtime.start();
  await runtime.ensureImage(UNUSED, 'Always');
  const service = container.get<RuntimeService>(RuntimeService);
  for (const name of ['of-file', 'of-nobody', 'running']) {
    const annotations = name === 'of-file' ? { [STATIC_FILE_ANNOTATION]: 'a.yaml' } : {};
    const containers = [{ name: 'main', image: IMAGE, command: ['sh', '-c', 'sleep 100000'] }];
    const spec = { terminationGracePeriodSeconds: 0, containers };
    await runtime.runPod(
      parsePod({ apiVersion: 'v1', kind: 'Pod', metadata: { name, uid: name, annotations }, spec }),
    );
    if (name === 'running') continue;
    await runtime.killPod({ uid: name });
    for (const { id } of await service.listContainers({ podUid: name })) await service.removeContainer(id);
  }
  const { lines, waits } = await collect(runtime, 1);
  expect((await runtime.getPods({ all: true })).map(({ name }) => name).sort()).toEqual([
    'of-file',
    'running',
  ]);
  expect((await runtime.listImages()).flatMap(({ repoTags }) => repoTags)).toEqual([IMAGE]);
  expect(waits).toEqual([300_000]);
  expect(lines).toContainEqual(expect.stringMatching(/^info Removed pod default\/of-nobody/));
  expect(lines).toContainEqual(expect.stringMatching(/^info Removed image registry\.test\/unused:1/));
});

describe('a failure', () => {
  const result = (...errors: readonly string[]): GcResult => ({
    removed: [],
    marked: [],
    errors: errors.map((message) => new Error(message)),
  });

  it.each<[string, readonly (GcResult | Error)[], readonly string[]]>([
    ['once while it stays', [result('full'), result('full')], ['full']],
    ['again when it comes back', [result('full'), result(), result('full')], ['full', 'full']],
    ['beside a new one', [result('full'), result('full', 'busy')], ['full', 'busy']],
    ['and ends nothing', [new Error('broken'), result('full')], ['broken', 'full']],
  ])('is told %s', async (_what, results, expected) => {
    const rest = [...results];
    const runtime = {
      getPods: async () => [],
      garbageCollect: async () => {
        const next = rest.shift();
        if (next === undefined || next instanceof Error) throw next;
        return next;
      },
    } as Partial<ContainerRuntime> as ContainerRuntime;
    const { lines } = await collect(runtime, results.length);
    expect(lines).toEqual(expected.map((message) => `warn Garbage collection: ${message}`));
  });
});
