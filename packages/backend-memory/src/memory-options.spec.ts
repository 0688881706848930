import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { parseMemoryOptions } from './memory-options.js';

const image = (fields: object) => ({ registry: { images: [{ reference: 'a:1', ...fields }] } });

describe('parseMemoryOptions', () => {
  it.each<[Readonly<Record<string, unknown>>, string]>([
    [{ registry: { image: [] } }, 'registry.image'],
    [{ registry: { pullMs: '5' } }, 'registry.pullMs'],
    [{ registry: { registries: 'docker.io' } }, 'registry.registries'],
    [image({ size: 5 }), 'registry.images[0].size'],
    [image({ rejected: 'no' }), 'registry.images[0].rejected'],
    [image({ platforms: 'linux/arm64' }), 'registry.images[0].platforms'],
    [image({ files: { '/a': 1 } }), 'registry.images[0].files'],
    [{ restartBackoff: { initialMs: 1, maxMs: 2, resetMs: 3 } }, 'restartBackoff.resetMs'],
    [{ restartBackoff: { initialMs: 3, maxMs: 2 } }, 'restartBackoff'],
    [{ programs: [] }, 'programs'],
    [{ programs: { sleep: 'sleep 5' } }, 'programs.sleep'],
  ])('refuses %j by its name', (options, name) => {
    const refusal = () => parseMemoryOptions(options);
    expect(refusal).toThrow(PodwrightError);
    expect(refusal).toThrow(`"${name}"`);
  });

  it('takes all there is', () => {
    const options = {
      registry: {
        images: [
          {
            ...{
              reference: 'a:1',
              config: { Cmd: ['sh'] },
              files: { '/a': 'b' },
              platforms: ['linux/arm64'],
            },
            ...{ auth: { username: 'u', password: 'p' }, rejected: false, sizeBytes: 5 },
          },
        ],
        ...{ registries: ['registry.lan'], pullMs: 0 },
      },
      programs: { hello: async () => 0 },
      restartBackoff: { initialMs: 1, maxMs: 2 },
      ...{ supervisedRestart: false, imageCapacityBytes: 1, pinnedImages: ['a'] },
    };
    expect(parseMemoryOptions(options)).toBe(options);
  });
});
