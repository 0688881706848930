import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';

/** What the README of an example says that it prints, after the word `prints`. */
async function promisedBy(readme: string): Promise<string> {
  const text = await readFile(readme, 'utf8');
  const block = /\nprints\n\n((?: {4}.*\n)+)/.exec(text)?.[1] ?? '';
  return block.replace(/^ {4}/gm, '');
}

/** Runs a program of an example, from the build: `npm run build` first. */
async function run(example: string, ...args: string[]): Promise<string> {
  const cwd = `examples/${example}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['agent.mjs', ...args], { cwd });
  return stdout;
}

describe('examples on the systemd backend print what their READMEs say', () => {
  it('minimal-agent', async () => {
    const output = await run('minimal-agent', '--backend', 'systemd', '--image', testImages.busybox);
    expect(output).toBe(await promisedBy('examples/minimal-agent/README.md'));
  });

  it('swap-backend, with systemd.json', async () => {
    const output = await run('swap-backend', 'systemd.json', testImages.busybox);
    expect(output).toBe(await promisedBy('examples/swap-backend/README.md'));
  });
});
