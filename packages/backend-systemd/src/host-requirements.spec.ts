import { PodwrightError } from '@podwright/core';
import type { HostProgram } from '@podwright/nsenter';
import { describe, expect, it } from 'vitest';
import { HostRequirements } from './host-requirements.js';

const part = (...names: string[]) => ({
  hostPrograms: async (): Promise<readonly HostProgram[]> =>
    names.map((name) => ({ name, debianPackage: `${name}-package` })),
});

/** Of parts on a host where every program is, but those named `missing-…`. */
function requirements(...parts: object[]): HostRequirements {
  const host = { which: async (name: string) => (name.startsWith('missing') ? undefined : `/bin/${name}`) };
  const others = Array.from({ length: HostRequirements.length - 1 - parts.length }, () => ({}));
  return Reflect.construct(HostRequirements, [host, ...parts, ...others]);
}

async function failureOf(checked: HostRequirements): Promise<PodwrightError> {
  const error = await checked.check().catch((caught: unknown) => caught);
  if (!PodwrightError.is(error, 'missing-requirement')) throw error;
  return error;
}

describe('HostRequirements', () => {
  it('are those of the parts; one that runs no programs has none', async () => {
    const checked = requirements(part('a', 'b'), {}, part('b', 'c'));
    expect((await checked.programs()).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    await checked.check();
  });

  it('tell what is missing', async () => {
    const { message, details } = await failureOf(requirements(part('a', 'missing-1')));
    expect(message).toMatch(/^missing-1 is not on this host.*apt-get install missing-1-package/);
    expect(details['program']).toBe('missing-1');
  });

  it('tell all that is missing, a line each', async () => {
    const { message, details } = await failureOf(requirements(part('missing-1'), part('a', 'missing-2')));
    expect(message.split('\n')).toEqual([
      expect.stringMatching(/^missing-1 is not/),
      expect.stringMatching(/^missing-2 is not/),
    ]);
    expect(details['programs']).toEqual(['missing-1', 'missing-2']);
  });
});
