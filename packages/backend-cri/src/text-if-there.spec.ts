import { expect, it } from 'vitest';
import { textIfThere } from './text-if-there.js';

it.each(['/proc/0/cgroup', '/sys/fs/cgroup/none-of-this-name'])('has no text of %s', async (path) => {
  expect(await textIfThere(path)).toBe('');
});

it('has the text of a file', async () => {
  expect(await textIfThere('/proc/self/cgroup')).toMatch(/^\d+:/);
});

it('tells why a file that is there cannot be read', async () => {
  await expect(textIfThere('/proc')).rejects.toThrow('EISDIR');
});
