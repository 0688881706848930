import { PodwrightError, parsePod } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { withResources } from './container-resizer.js';

const pod = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u' },
  spec: {
    resources: { limits: { memory: '1Gi' } },
    containers: [
      {
        name: 'a',
        image: 'i',
        resources: { limits: { memory: '64Mi', cpu: '1' }, requests: { memory: '32Mi' } },
      },
      { name: 'b', image: 'i' },
    ],
    initContainers: [{ name: 'i', image: 'i' }],
  },
});

describe('withResources', () => {
  it('changes what is given of one container, and nothing else', () => {
    const changed = withResources(pod, 'a', { memoryLimitBytes: 1024 ** 2 * 128, cpuRequestMillis: 250 });
    expect(changed.spec.containers[0]?.resources).toEqual({
      limits: { memory: '134217728', cpu: '1' },
      requests: { memory: '32Mi', cpu: '250m' },
    });
    expect(changed.spec.containers[1]).toEqual(pod.spec.containers[1]);
    expect({ ...changed, spec: undefined }).toEqual({ ...pod, spec: undefined });
  });

  it('changes an init container too', () => {
    const changed = withResources(pod, 'i', { cpuLimitMillis: 1500 });
    expect(changed.spec.initContainers[0]?.resources.limits).toEqual({ cpu: '1500m' });
  });

  it('leaves a manifest alone that has no such container, or cannot say it', () => {
    expect(withResources(pod, 'other', { cpuLimitMillis: 1 })).toEqual(pod);
    expect(withResources(pod, 'a', { pidsLimit: 5 })).toEqual(pod);
  });

  it.each([
    ['a request above its limit', { memoryLimitBytes: 1024 }],
    ['more than the pod may have', { memoryLimitBytes: 2 * 1024 ** 3 }],
    ['a negative limit', { cpuLimitMillis: -1 }],
  ])('refuses %s', (_what, change) => {
    try {
      withResources(pod, 'a', change);
    } catch (error) {
      if (PodwrightError.is(error, 'invalid-argument')) return;
      throw error;
    }
    throw new Error('It was taken.');
  });
});
