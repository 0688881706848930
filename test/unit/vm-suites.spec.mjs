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

it('every conformance case runs on just one machine with the kernel of the release', () => {
  const halves = MACHINES.filter(({ name }) => name.startsWith('suite')).map(
    ({ pattern }) => new RegExp(pattern),
  );
  const counts = titles.map((title) => halves.filter((half) => half.test(title)).length);
  expect(titles.filter((_title, index) => counts[index] !== 1)).toEqual([]);
  const [first, ...others] = halves.map((half) => titles.filter((title) => half.test(title)).length);
  for (const count of others) expect(count / first).toBeGreaterThan(0.7);
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
