import { describe, expect, it } from 'vitest';
import { buildExecProcess, openFilesLimit } from './exec-process.js';
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

const NOFILE = 'RLIMIT_NOFILE';
const core = { type: 'RLIMIT_CORE', soft: 0, hard: 0 };

describe('openFilesLimit', () => {
  type Limits = readonly [soft: number | 'unlimited', hard: number | 'unlimited'];
  const limits = (...[soft, hard]: Limits) =>
    `Max open files            ${soft}                 ${hard}                files     \n`;

  it.each<[string, Limits, Limits, Limits]>([
    [
      'the container’s, where the caller has raised its own',
      [1024, 20_000],
      [20_000, 20_000],
      [1024, 20_000],
    ],
    ['no higher than the caller’s', [4096, 20_000], [1000, 2000], [2000, 2000]],
    ['none without end', [1024, 'unlimited'], [10, 500_000], [1024, 500_000]],
  ])('is %s', (_what, first, own, [soft, hard]) => {
    expect(openFilesLimit(limits(first[0], first[1]), limits(own[0], own[1]))).toEqual({
      type: NOFILE,
      soft,
      hard,
    });
  });

  it('is not known without the texts', () => {
    expect(openFilesLimit('', limits(1, 2))).toBeUndefined();
    expect(openFilesLimit(limits(1, 2), '')).toBeUndefined();
  });
});

describe('buildExecProcess', () => {
  it('is confined as the first process is', () => {
    expect(buildExecProcess(FIRST, { command: ['id', ''] })).toEqual({ ...FIRST, args: ['id', ''] });
  });

  it.each([
    ['has its own limit of open files where the container has none', [], [9, 20]],
    ['has its own limit of open files beside others', [core], [9, 20]],
    ['has the limit of open files that the container was given', [{ ...core, type: NOFILE }], [0, 0]],
  ])('%s', (_what, rlimits, [soft, hard]) => {
    const openFiles = { type: NOFILE, soft: 9, hard: 20 };
    const process = buildExecProcess({ ...FIRST, rlimits }, { command: ['id'], openFiles });
    expect(process.rlimits?.find(({ type }) => type === NOFILE)).toMatchObject({ soft, hard });
    expect(process.rlimits).toEqual(expect.arrayContaining(rlimits));
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
