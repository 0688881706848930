import { conformanceCases, runCase } from '@podwright/conformance';
import type { ContainerRuntime, ImageService, RuntimeService } from '@podwright/core';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryTarget, type Wrappers } from './memory-target.js';
import { broken, imageMutants, type Mutant, runtimeMutants, serviceMutants } from './mutants.js';

/** How long a broken backend is waited for; the real one answers in a few milliseconds. */
const PATIENCE_MS = 500;

let target: Awaited<ReturnType<typeof createMemoryTarget>> | undefined;

afterEach(async () => {
  await target?.[Symbol.asyncDispose]();
  target = undefined;
});

function suite<T extends object>(
  name: string,
  mutants: { readonly [Member in keyof T]?: readonly Mutant<T>[] },
  wrap: (change: (original: T) => T) => Wrappers,
) {
  describe(name, () => {
    for (const member of Reflect.ownKeys(mutants)) {
      const list: readonly Mutant<T>[] = Reflect.get(mutants, member) ?? [];
      it(`has a broken ${String(member)}`, () => expect(list.length).toBeGreaterThan(0));
      for (const { what, fails, members } of list) {
        it(`${String(member)}: ${what}: ${fails} notices`, async () => {
          const conformanceCase = conformanceCases.find(({ id }) => id === fails);
          if (!conformanceCase) throw new Error(`There is no case ${fails}.`);
          target = await createMemoryTarget(
            wrap((original) => broken(original, members(original))),
            PATIENCE_MS,
          );
          await expect(
            runCase(conformanceCase, target, (restarted) => {
              target = restarted;
            }),
          ).rejects.toThrow();
        });
      }
    }
  });
}

suite<RuntimeService>('a broken RuntimeService', serviceMutants, (service) => ({ service }));
suite<ImageService>('a broken ImageService', imageMutants, (images) => ({ images }));
suite<ContainerRuntime>('a broken ContainerRuntime', runtimeMutants, (runtime) => ({ runtime }));
