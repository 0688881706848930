import { silentLogger } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import type { CniAttachment } from '../cni/cni-invocation.js';
import { CniPodNetwork } from './cni-pod-network.js';

/** @returns how many pods were connected at the same time, at most */
async function mostAtOnce(capabilityArgs: object): Promise<number> {
  let [now, most] = [0, 0];
  const add = async () => {
    most = Math.max(most, ++now);
    await new Promise(setImmediate);
    now--;
    return {};
  };
  const notes = { write: async () => undefined };
  const network: CniPodNetwork = Reflect.construct(CniPodNetwork, [
    ...[{}, {}, { add }, {}, {}, notes, {}],
    silentLogger,
  ]);
  const attachment = { capabilityArgs } as CniAttachment;
  await Promise.all(['a', 'b', 'c'].map((name) => network.attach(attachment, `/run/netns/${name}`)));
  return most;
}

describe('pods that are connected side by side', () => {
  it.each([
    [
      'with host ports one after the other, as portmap makes chains that they share',
      { portMappings: [{}] },
      1,
    ],
    ['without host ports all at once', {}, 3],
  ])('%s', async (_what, capabilityArgs, expected) => {
    expect(await mostAtOnce(capabilityArgs)).toBe(expected);
  });
});
