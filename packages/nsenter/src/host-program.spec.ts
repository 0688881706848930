import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import type { HostExecutor } from './host-executor.js';
import { findHostProgram, type HostProgram, hostProgramsOf } from './host-program.js';

const TOOL: HostProgram = {
  name: 'tool',
  debianPackage: 'tools',
  version: { args: ['--version'], minimum: '2.38' },
};

/** A host with these programs, and what each prints. */
function hostWith(programs: Readonly<Record<string, string>>): HostExecutor & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    which: async (name) => {
      const path = name.startsWith('/') ? name : `/bin/${name}`;
      return path in programs ? path : undefined;
    },
    run: async ({ command }) => {
      asked.push(command);
      return { stdout: Buffer.from(programs[command] ?? ''), stderr: Buffer.alloc(0), exitCode: 0 };
    },
    start: () => Promise.reject(new Error('nothing is started')),
    hostPath: (path) => path,
  };
}

async function failureOf(host: HostExecutor, program: HostProgram): Promise<string> {
  const error = await findHostProgram(host, program).catch((caught: unknown) => caught);
  if (!PodwrightError.is(error, 'missing-requirement')) throw error;
  return error.message;
}

describe('findHostProgram', () => {
  it.each([
    ['tool from util-linux 2.38.1\n', '2.38.1'],
    ['tool version 3.0', '3.0'],
  ])('finds one that says %j', async (said, version) => {
    expect(await findHostProgram(hostWith({ '/bin/tool': said }), TOOL)).toEqual({
      path: '/bin/tool',
      version,
    });
  });

  it.each([
    [{}, 'tool is not on this host, and version 2.38 or newer is needed.'],
    [{ '/bin/tool': 'tool 2.9' }, '/bin/tool is tool 2.9, and version 2.38 or newer is needed.'],
    [
      { '/bin/tool': 'usage: tool' },
      '/bin/tool does not tell its version but says "usage: tool", and version 2.38 or newer is needed.',
    ],
  ])('fails with %j', async (programs: Record<string, string>, message) => {
    expect(await failureOf(hostWith(programs), TOOL)).toBe(
      `${message} On Debian and Ubuntu: apt-get install tools. ` +
        'If it lies outside $PATH, name its path in backendOptions.binaries.',
    );
  });

  it('looks in its own directories only', async () => {
    const plugin = { name: 'tool', debianPackage: 'tools', directories: ['/a', '/b'] };
    expect(await findHostProgram(hostWith({ '/b/tool': '' }), plugin)).toMatchObject({ path: '/b/tool' });
    expect(await failureOf(hostWith({ '/bin/tool': '' }), plugin)).toMatch(/looked for in \/a, \/b\.$/);
  });

  it('asks for a version only where it matters, or is wanted', async () => {
    const host = hostWith({ '/bin/tool': 'systemd 252 (252.1)' });
    const any = { ...TOOL, version: { args: ['--version'] } };
    expect(await findHostProgram(host, any)).toEqual({ path: '/bin/tool', version: undefined });
    expect(host.asked).toEqual([]);
    expect(await findHostProgram(host, any, { askVersion: true })).toMatchObject({ version: '252' });
  });
});

describe('hostProgramsOf', () => {
  const part = (...programs: HostProgram[]) => ({ hostPrograms: async () => programs });

  it('has each program once, with the strictest minimum', async () => {
    const newer = { ...TOOL, version: { args: [], minimum: '2.40' } };
    const plain = { name: 'tool', debianPackage: 'tools' };
    const orders = [
      [part(plain), part(TOOL), part(newer)],
      [part(newer), part(plain), part(TOOL)],
    ];
    for (const parts of orders) expect(await hostProgramsOf(parts)).toEqual([newer]);
  });

  it('asks nothing of a part that runs no programs', async () => {
    expect(await hostProgramsOf([{}, part(TOOL)])).toEqual([TOOL]);
  });
});
