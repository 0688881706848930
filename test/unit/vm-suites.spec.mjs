import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { conformanceCases } from '@podwright/conformance';
import { expect, it } from 'vitest';
import { REPOSITORY } from '../host/throwaway-host.mjs';
import { MACHINES, SHORT, USERS_PATTERN } from '../vm/suites.mjs';

const titles = conformanceCases.map(({ title, id }) => `${title} [${id}]`);

it('every conformance case with users of a pod’s own runs on the kernel that has them', () => {
  const pattern = new RegExp(USERS_PATTERN);
  const needed = conformanceCases.filter(({ needs }) => needs.includes('userNamespaces'));
  expect(needed.length).toBeGreaterThan(10);
  expect(needed.filter(({ title, id }) => !pattern.test(`${title} [${id}]`))).toEqual([]);
});

it('each part of the short form’s pattern is of a test that there is', () => {
  const names = SHORT.pattern.match(/[a-z]+\/[a-z-]+/g);
  expect(names?.length).toBeGreaterThan(5);
  expect(names?.filter((name) => !titles.some((title) => title.endsWith(`[${name}]`)))).toEqual([]);
});

it('all files that are named are there', () => {
  const files = [SHORT, ...MACHINES].flatMap((machine) => machine.files);
  expect(files.filter((file) => !existsSync(join(REPOSITORY, file)))).toEqual([]);
});
