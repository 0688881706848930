import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parseBackendOptions, systemdBackendOptionsSchema } from './backend-options.js';

/** The table of options, as it has to stand in the README. */
function optionsTable(): string {
  const defaults: Readonly<Record<string, unknown>> = parseBackendOptions({});
  const rows = Object.entries(systemdBackendOptionsSchema.shape).map(([name, { description }]) => {
    const value = defaults[name];
    const shown = value === undefined ? '' : `\`${JSON.stringify(value)}\``;
    return `| \`${name}\` | ${shown} | ${description} |`;
  });
  return ['| option | default | |', '|---|---|---|', ...rows, ''].join('\n');
}

it('the README has all options, with their defaults and what they are for', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(optionsTable());
});
