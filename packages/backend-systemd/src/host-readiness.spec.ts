import { describe, expect, it } from 'vitest';
import { ociRuntimeRefusal } from './host-readiness.js';

describe('ociRuntimeRefusal', () => {
  it.each([
    ['crun', 1],
    ['crun', 2],
    ['runc', 1],
  ] as const)('takes %s with cgroup version %d', (flavour, cgroups) => {
    expect(ociRuntimeRefusal(flavour, cgroups)).toBeUndefined();
  });

  it('refuses runc with version 2, and names what to use instead', () => {
    expect(ociRuntimeRefusal('runc', 2)).toMatch(/runc .*\(v2\).*Use crun/);
  });
});
