import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseBackendOptions } from './backend-options.js';
import { HOST_BINARIES } from './host-binaries.js';

const PACKAGES = join(import.meta.dirname, '../..');
/** Where commands run on the host. */
const PARTS = ['nsenter', 'journal', 'sandbox', 'images', 'oci', 'backend-systemd'];
const NAMED = [
  /command: '([a-z0-9-]+)'/g,
  /name: '([a-z0-9-]+)', debianPackage/g,
  /utilLinux\('([a-z0-9-]+)'\)/g,
  /which\('([a-z0-9-]+)'\)/g,
];

function programsIn(part: string): readonly string[] {
  const folder = join(PACKAGES, part, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('.spec'))
    .flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return NAMED.flatMap((pattern) => [...text.matchAll(pattern)].map(([, program = '']) => program));
    });
}

describe('binaries', () => {
  it('takes every program that is run by its name', () => {
    const all = [...new Set(PARTS.flatMap(programsIn))];
    expect(all.length).toBeGreaterThan(20);
    expect(all.filter((program) => !HOST_BINARIES.includes(program))).toEqual([]);
    const binaries = Object.fromEntries(HOST_BINARIES.map((name) => [name, `/opt/${name}`]));
    expect(parseBackendOptions({ binaries }).binaries).toEqual(binaries);
  });

  it.each([
    ['crum', /binaries names "crum", which the agent never runs\. Did you mean "crun"\?/],
    ['contaners-storage', /Did you mean "containers-storage"\?/],
    ['docker', /"docker", which the agent never runs\. It runs /],
  ])('refuses %s', (name, words) => {
    expect(() => parseBackendOptions({ binaries: { [name]: '/opt/x' } })).toThrow(words);
  });
});
