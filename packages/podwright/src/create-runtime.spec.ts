import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ImageService, PodwrightError, RuntimeService, VolumeProvider } from '@podwright/core';
import { Container, ContainerModule } from 'inversify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkBackend } from './check-backend.js';
import { createContainer, createRuntime } from './create-runtime.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backend-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function failureOf(work: () => unknown): Promise<PodwrightError> {
  try {
    await work();
  } catch (error) {
    if (PodwrightError.is(error, 'invalid-argument')) return error;
    throw error;
  }
  throw new Error('It did not fail.');
}

describe('a backend of somebody else', () => {
  it.each([
    ['exports nothing', 'export const other = 1;', 'exports no function named backendModule'],
    [
      'makes no module',
      'export const backendModule = () => undefined;',
      'backendModule has to return a ContainerModule of inversify',
    ],
    ['cannot be loaded', 'throw new Error("first line\\nsecond line");', /imported \(first line\)/],
  ])('that %s is refused in words', async (_what, source, words) => {
    await writeFile(join(folder, 'backend.mjs'), source);
    const resolveFrom = pathToFileURL(`${folder}/`).href;
    const { message } = await failureOf(() => createRuntime({ backend: './backend.mjs' }, { resolveFrom }));
    expect(message).toMatch(words);
  });

  it('that is not there is told without the files that asked for it', async () => {
    const { message } = await failureOf(() => createRuntime({ backend: 'no-such-backend' }));
    expect(message).toContain('"no-such-backend"');
    expect(message).not.toContain('\n');
  });

  it('that lacks parts and methods is told all of them before anything starts', async () => {
    const container = new Container();
    await container.loadAsync(
      new ContainerModule(({ bind }) => {
        bind(VolumeProvider).toConstantValue({} as VolumeProvider);
      }),
    );
    const { message } = await failureOf(() => checkBackend(container, 'mine'));
    expect(message).toMatch(/^The backend "mine" is not complete: its module binds no RuntimeService; /);
    expect(message).toContain('its module binds no ImageService');
    expect(message).toContain('its VolumeProvider has no setUp, update, usage, tearDown.');
  });

  it('is asked for every method of the contracts but those that are optional', async () => {
    const container = await createContainer({ backend: 'memory' });
    checkBackend(container, 'memory');
    for (const [token, method, name] of [
      [RuntimeService, 'exec', 'RuntimeService has no exec.'],
      [RuntimeService, Symbol.asyncDispose, 'RuntimeService has no [Symbol.asyncDispose].'],
      [ImageService, 'imageFsInfo', 'ImageService has no imageFsInfo.'],
    ] as const) {
      const part = container.get<object>(token);
      Object.defineProperty(part, method, { value: undefined, configurable: true });
      const { message } = await failureOf(() => checkBackend(container, 'memory'));
      expect(message).toContain(name);
      Reflect.deleteProperty(part, method);
    }
    checkBackend(container, 'memory');
  });
});
