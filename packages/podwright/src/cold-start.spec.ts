import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const SRC = import.meta.dirname;

/** Packages that are loaded before the command is known: all that a file imports, and what those do. */
function loadedBy(file: string, seen = new Map<string, string>()): ReadonlyMap<string, string> {
  const text = readFileSync(file, 'utf8');
  const imports = text.matchAll(/^(?:import|export) (?!type )(?:[^;]*? from )?'([^']+)';/gms);
  for (const [, target = ''] of imports) {
    const path = target.startsWith('.') ? resolve(dirname(file), target.replace(/\.js$/, '.ts')) : target;
    if (seen.has(path)) continue;
    seen.set(path, relative(SRC, file));
    if (target.startsWith('.')) loadedBy(path, seen);
  }
  return seen;
}

it('help and wrong flags load no runtime: each call of the command would take half a second longer', () => {
  const loaded = [...loadedBy(join(SRC, 'bin.ts'))].filter(
    ([path]) => !path.startsWith('/') && !path.startsWith('node:'),
  );
  expect(readdirSync(join(SRC, 'cli'))).toContain('runtime-factory.ts');
  expect(loaded.map(([name]) => name).sort()).toEqual([
    '@podwright/core',
    'commander',
    'rxjs',
    'yaml',
    'zod',
  ]);
});
