import { PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
  expect(await bed.run('pull', '-q', IMAGE)).toMatchObject({ exitCode: 0 });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await bed[Symbol.asyncDispose]();
});

it('removes an image that is damaged, as the error of its use advises', async () => {
  vi.spyOn(bed.runtime, 'isImagePresent').mockRejectedValue(new PodwrightError('corrupt-state', 'Damaged.'));
  expect(await bed.run('rmi', IMAGE)).toEqual({ exitCode: 0, stdout: `${IMAGE}\n`, stderr: '' });
  expect(await bed.runtime.listImages()).toEqual([]);
});

it('fails when the image cannot be looked for', async () => {
  vi.spyOn(bed.runtime, 'isImagePresent').mockRejectedValue(new PodwrightError('unreachable', 'No answer.'));
  expect(await bed.run('rmi', '-f', IMAGE)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('No answer.'),
  });
  expect(await bed.runtime.listImages()).toHaveLength(1);
});
