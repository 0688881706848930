import { describe, expect, it } from 'vitest';
import { type ConmonOptions, conmonCommand, parseConmonReport } from './conmon-command.js';
import {
  runtimeCreate,
  runtimeDelete,
  runtimeExec,
  runtimeKill,
  runtimeStart,
  runtimeState,
} from './oci-runtime-command.js';

const CRUN = { flavour: 'crun', path: '/usr/bin/crun' } as const;
const RUNC = { flavour: 'runc', path: '/usr/bin/runc', root: '/run/podwright/runc' } as const;
const ID = '0123456789abcdef';

describe('the runtime’s command lines', () => {
  it.each([
    [runtimeCreate(CRUN, { id: ID, bundle: '/b' }), 'create --bundle /b ID'],
    [runtimeCreate(CRUN, { id: ID, bundle: '/b', pidFile: '/p' }), 'create --bundle /b --pid-file /p ID'],
    [runtimeStart(CRUN, ID), 'start ID'],
    [runtimeDelete(CRUN, ID), 'delete ID'],
    [runtimeDelete(CRUN, ID, { force: true }), 'delete --force ID'],
    [runtimeKill(CRUN, ID, 'SIGUSR1'), 'kill ID SIGUSR1'],
    [runtimeState(CRUN, ID), 'state ID'],
    [
      runtimeExec(CRUN, { id: ID, processFile: '/j', pidFile: '/p', logFile: '/l' }),
      '--log=/l --log-format=json exec --process /j --pid-file /p ID',
    ],
  ])('%#', (line, expected) => {
    expect(line).toEqual({
      command: '/usr/bin/crun',
      args: ['--cgroup-manager=disabled', ...expected.replace('ID', ID).split(' ')],
      env: {},
    });
  });

  it('leave runc its cgroup manager, and take a state directory', () => {
    expect(runtimeStart(RUNC, ID).args).toEqual(['--root=/run/podwright/runc', 'start', ID]);
  });
});

describe('conmonCommand', () => {
  const OPTIONS: ConmonOptions = {
    conmonPath: '/usr/bin/conmon',
    runtime: CRUN,
    id: ID,
    name: 'web',
    bundle: '/b',
    containerPidFile: '/pid',
    exitDir: '/exit',
  };

  it('logs to the journal and reports through descriptor 3', () => {
    const { command, args, env } = conmonCommand(OPTIONS);
    expect(command).toBe('/usr/bin/conmon');
    expect(args.join(' ')).toBe(
      `--api-version 1 --cid ${ID} --cuuid ${ID} --name web --runtime /usr/bin/crun ` +
        '--runtime-arg --cgroup-manager=disabled --bundle /b --container-pidfile /pid ' +
        '--exit-dir /exit --log-path journald: --full-attach',
    );
    expect(env).toEqual({ _OCI_SYNCPIPE: '3' });
  });

  it.each([
    [{ runtimeLogFile: '/run/log' }, '--runtime-arg --log=/run/log --runtime-arg --log-format=json'],
    [{ k8sLogPath: '/var/log/0.log' }, '--log-path journald: --log-path k8s-file:/var/log/0.log'],
    [{ logTag: 'a/b' }, '--log-tag a/b'],
    [{ conmonPidFile: '/conmon.pid' }, '--container-pidfile /pid --conmon-pidfile /conmon.pid --exit-dir'],
    [{ stdin: true, leaveStdinOpen: true }, '--stdin --leave-stdin-open'],
    [{ terminal: true }, '--terminal'],
    [{ runtime: RUNC }, '--runtime /usr/bin/runc --runtime-arg --root=/run/podwright/runc --bundle'],
  ])('%j', (options, expected) => {
    expect(conmonCommand({ ...OPTIONS, ...options }).args.join(' ')).toContain(expected);
  });

  it('takes another descriptor, and no short id', () => {
    expect(conmonCommand({ ...OPTIONS, syncPipeFd: 5 }).env).toEqual({ _OCI_SYNCPIPE: '5' });
    expect(() => conmonCommand({ ...OPTIONS, id: '0123456789ab' })).toThrow('13 characters');
  });
});

describe('parseConmonReport', () => {
  it.each([
    ['{"pid": 42}\n', { pid: 42 }],
    ['{"data": 42}', { pid: 42 }],
    ['{"pid": -1, "message": "no such file\\n"}', { error: 'no such file' }],
    ['{"data": -1, "message": "refused"}', { error: 'refused' }],
    ['{"data": -1}', { error: 'conmon gave no reason' }],
  ])('reads %s', (line, expected) => {
    expect(parseConmonReport(line)).toEqual(expected);
  });

  it.each(['', 'null', '{"exit_code": 1}', 'conmon: error'])('refuses %j', (line) => {
    expect(() => parseConmonReport(line)).toThrow(
      expect.objectContaining({ kind: 'container-start-failed' }),
    );
  });
});
