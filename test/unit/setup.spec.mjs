import { describe, expect, it } from 'vitest';
import { missingNpmPackages } from '../../scripts/setup.mjs';

const wanted = {
  packages: {
    '': { name: 'root' },
    'packages/core': { name: '@podwright/core' },
    'node_modules/@podwright/core': { resolved: 'packages/core', link: true },
    'node_modules/a': { version: '1.0.0' },
    'packages/core/node_modules/a': { version: '2.0.0' },
    'node_modules/for-another-system': { version: '1.0.0', optional: true },
  },
};
const { 'node_modules/for-another-system': _, ...needed } = wanted.packages;

describe('missingNpmPackages', () => {
  it('finds nothing when all but the optional ones are there', () => {
    expect(missingNpmPackages(wanted, { packages: needed })).toEqual([]);
  });

  it.each([
    ['a package that is absent', { 'node_modules/a': undefined }, 'node_modules/a'],
    [
      'another version of a nested one',
      { 'packages/core/node_modules/a': { version: '1.0.0' } },
      'packages/core/node_modules/a',
    ],
    [
      'a workspace that is not linked',
      { 'node_modules/@podwright/core': { version: '1.0.0' } },
      'node_modules/@podwright/core',
    ],
    [
      'a workspace linked to another folder',
      { 'node_modules/@podwright/core': { resolved: 'elsewhere', link: true } },
      'node_modules/@podwright/core',
    ],
  ])('finds %s', (_, change, path) => {
    expect(missingNpmPackages(wanted, { packages: { ...needed, ...change } })).toEqual([path]);
  });
});
