import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { promisedOutput } from '../packaging/promised-output.js';

/** Runs a program of an example, from the build: `npm run build` first. */
async function run(example: string, ...args: string[]): Promise<string> {
  const cwd = `examples/${example}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['agent.mjs', ...args], { cwd });
  return stdout;
}

describe('examples on the systemd backend print what their READMEs say', () => {
  it('minimal-agent', async () => {
    const output = await run('minimal-agent', '--backend', 'systemd', '--image', testImages.busybox);
    expect(output).toBe(await promisedOutput('minimal-agent'));
  });

  it('sync-agent', async () => {
    const output = await run('sync-agent', '--backend', 'systemd', '--image', testImages.busybox);
    expect(output).toBe(await promisedOutput('sync-agent'));
  });

  it('swap-backend, with systemd.json', async () => {
    const output = await run('swap-backend', 'systemd.json', testImages.busybox);
    expect(output).toBe(await promisedOutput('swap-backend'));
  });
});
