import { describe, expect, it } from 'vitest';
import { buildExecProcess } from './exec-process.js';
import { runtimeErrors } from './runtime-errors.js';
import type { OciProcess } from './runtime-spec.js';

const FIRST: OciProcess = {
  terminal: false,
  user: { uid: 33, gid: 34, additionalGids: [34] },
  args: ['sleep', '1'],
  env: ['A=1=2', 'HOME=/home/web'],
  cwd: '/srv',
  capabilities: { bounding: ['CAP_KILL'], effective: [], permitted: [], inheritable: [], ambient: [] },
  rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 2 }],
  noNewPrivileges: true,
};

describe('buildExecProcess', () => {
  it('is confined as the first process is', () => {
    expect(buildExecProcess(FIRST, { command: ['id', ''] })).toEqual({ ...FIRST, args: ['id', ''] });
  });

  it('has TERM and a size with a terminal only', () => {
    const terminalSize = { rows: 5, columns: 6 };
    const { terminal, env, consoleSize } = buildExecProcess(FIRST, {
      command: ['sh'],
      tty: true,
      terminalSize,
    });
    expect({ terminal, env, consoleSize }).toEqual({
      terminal: true,
      env: [...FIRST.env, 'TERM=xterm'],
      consoleSize: { height: 5, width: 6 },
    });
    expect(buildExecProcess(FIRST, { command: ['sh'], terminalSize })).not.toHaveProperty('consoleSize');
    const own = { ...FIRST, env: ['TERM=vt100'] };
    expect(buildExecProcess(own, { command: ['sh'], tty: true }).env).toEqual(['TERM=vt100']);
  });

  it('takes another user, directory and further environment', () => {
    const process = buildExecProcess(FIRST, {
      command: ['id'],
      cwd: '/',
      env: [{ name: 'A', value: 'x\ny' }],
      user: { uid: 0, gid: 0, additionalGids: [0], home: '/root', name: 'root' },
    });
    expect(process).toMatchObject({
      cwd: '/',
      env: ['A=x\ny', 'HOME=/root'],
      user: { uid: 0, gid: 0, additionalGids: [0] },
    });
    expect(process.user).not.toHaveProperty('home');
  });

  it.each([[[]], [['']], [['a\0']]])('refuses the command %j', (command) => {
    expect(() => buildExecProcess(FIRST, { command })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
  });
});

describe('runtimeErrors', () => {
  it.each([
    ['', undefined],
    ['{"level":"warning","msg":"cgroups"}\n', undefined],
    ['{"msg":"not found","level":"error","time":"x"}\n', 'not found'],
    ['{"level":"error","msg":"a"}\n{"level":"fatal","msg":"b"}\n', 'a; b'],
    ['{"level":"error","msg":"cut o', '{"level":"error","msg":"cut o'],
  ])('reads %j', (log, expected) => {
    expect(runtimeErrors(log)).toBe(expected);
  });
});
