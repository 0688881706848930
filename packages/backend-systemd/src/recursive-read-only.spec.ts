import { describe, expect, it } from 'vitest';
import { checkRecursiveReadOnly, isRecursiveReadOnlyPossible } from './recursive-read-only.js';

describe('recursive read-only mounts', () => {
  it.each([
    ['5.11.22-generic', false],
    ['4.19.0', false],
    ['5.12.0', true],
    ['6.1.0-13-amd64', true],
  ])('kernel %s: %s', (kernel, possible) => {
    expect(isRecursiveReadOnlyPossible(kernel)).toBe(possible);
    const mounts = [{ hostPath: '/h', containerPath: '/c', readOnly: true, recursiveReadOnly: true }];
    const check = expect(() => checkRecursiveReadOnly(mounts, kernel));
    if (possible) check.not.toThrow();
    else check.toThrow('/c');
    expect(() => checkRecursiveReadOnly([{ hostPath: '/h', containerPath: '/c' }], kernel)).not.toThrow();
  });
});
