import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemdBackendOptionsSchema } from '@podwright/backend-systemd';
import { type ImageService, PodwrightError } from '@podwright/core';
import type { HostExecutor, HostProgram, Nsenter, RunCommand } from '@podwright/nsenter';
import type { PodNetwork } from '@podwright/sandbox';
import type { SystemdManager } from '@podwright/systemd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveRuntimeConfig } from '../../runtime-config.js';
import { type CheckResult, runChecks } from './check.js';
import { hostChecks } from './host-checks.js';
import { inContainerChecks } from './in-container-checks.js';
import { programChecks } from './program-checks.js';

const PROGRAMS: readonly HostProgram[] = [
  { name: 'skopeo', debianPackage: 'skopeo', version: { args: ['--version'], minimum: '1.9' } },
  { name: 'socat', debianPackage: 'socat', version: { args: ['-V'] } },
];

let root: string;
/** What each program says when it is asked for its version; those without an entry are not there. */
let programs: Map<string, string>;

const host: HostExecutor = {
  which: async (name) => (programs.has(name) ? `/usr/bin/${name}` : undefined),
  run: async ({ command }: RunCommand) => ({
    stdout: Buffer.from(programs.get(command.replace('/usr/bin/', '')) ?? ''),
    stderr: Buffer.alloc(0),
    exitCode: 0,
  }),
  start: () => Promise.reject(new Error('nothing is started')),
  hostPath: (path) => join(root, path),
};

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

function stateOf(results: readonly CheckResult[], name: string): CheckResult | undefined {
  return results.find((result) => result.name === name);
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'doctor-'));
  programs = new Map([
    ['crun', 'crun version 1.8.1\n'],
    ['conmon', 'conmon version 2.1.6\n'],
    ['nft', ''],
  ]);
});

afterEach(() => rm(root, { recursive: true }));

describe('programs', () => {
  it.each([
    ['ok', '1.8.1 (/usr/bin/crun)', 'crun version 1.8.1\n'],
    ['fail', 'is crun 1.4', 'crun version 1.4\n'],
    ['fail', 'is no crun', 'runc version 1.1\n'],
    ['fail', 'not found', undefined],
  ])('crun is %s: %s', async (state, found, said) => {
    if (said === undefined) programs.delete('crun');
    else programs.set('crun', said);
    const result = stateOf(await runChecks(programChecks(host, 'crun', PROGRAMS)), 'crun');
    expect(result).toMatchObject({ state, found: expect.stringContaining(found) });
    if (state === 'fail') expect(result?.fix).toContain('apt-get install crun');
  });

  it('asks for the runtime that is configured', async () => {
    expect(stateOf(await runChecks(programChecks(host, 'runc', PROGRAMS)), 'runc')?.state).toBe('fail');
  });

  it('looks for what the parts of the runtime run', async () => {
    programs.set('skopeo', 'skopeo version 1.4.1\n');
    const lacking = await runChecks(programChecks(host, 'crun', PROGRAMS));
    expect(stateOf(lacking, 'socat')).toMatchObject({ state: 'fail', fix: 'apt-get install socat' });
    expect(stateOf(lacking, 'skopeo')).toMatchObject({
      state: 'fail',
      found: expect.stringContaining('skopeo 1.4.1, and version 1.9 or newer is needed'),
    });
    programs.set('socat', 'socat by Gerhard Rieger\nsocat version 1.7.4.4 on 06 Nov 2022\n');
    expect(stateOf(await runChecks(programChecks(host, 'crun', PROGRAMS)), 'socat')).toMatchObject({
      state: 'ok',
      found: '1.7.4.4 (/usr/bin/socat)',
    });
  });

  it('is content with one packet filter', async () => {
    expect(stateOf(await runChecks(programChecks(host, 'crun', PROGRAMS)), 'packet filter')?.state).toBe(
      'ok',
    );
    programs.delete('nft');
    expect(stateOf(await runChecks(programChecks(host, 'crun', PROGRAMS)), 'packet filter')?.state).toBe(
      'fail',
    );
  });
});

describe('the host', () => {
  let version: () => Promise<string>;
  const check = async (name: string, options: Record<string, unknown> = {}) => {
    const results = await runChecks(
      hostChecks({
        config: resolveRuntimeConfig({ stateDir: '/var/lib/podwright' }),
        options: systemdBackendOptionsSchema.parse(options),
        host,
        manager: {
          start: async () => undefined,
          version: () => version(),
          systemState: async () => 'running',
          [Symbol.asyncDispose]: async () => undefined,
        } as unknown as SystemdManager,
        network: {
          status: async () => ({ ready: false, reason: 'X', message: 'no plugin bridge' }),
        } as unknown as PodNetwork,
        images: {
          imageFsInfo: async () => ({ mountpoint: '/s', usedBytes: 5, availableBytes: 500_000_000 }),
        } as unknown as ImageService,
      }),
    );
    return stateOf(results, name);
  };

  beforeEach(async () => {
    version = async () => '252.39-1';
    await put('/proc/filesystems', 'nodev\ttmpfs\nnodev\toverlay\n\text4\n');
    await put('/sys/fs/cgroup/cgroup.controllers', 'cpuset cpu io memory pids\n');
    await put('/usr/share/containers/seccomp.json', '{}');
    await put('/etc/containers/policy.json', '{}');
  });

  it('has what it has', async () => {
    expect(await check('systemd')).toMatchObject({ state: 'ok', found: '252.39-1 (running)' });
    for (const name of ['cgroups', 'overlay', 'seccomp profile', 'signature policy']) {
      expect(await check(name)).toMatchObject({ state: 'ok' });
    }
    expect(await check('state directory')).toMatchObject({
      state: 'ok',
      found: expect.stringContaining('not made yet'),
    });
  });

  it('has cgroups that runc cannot use', async () => {
    expect(await check('cgroups', { ociRuntime: 'runc' })).toMatchObject({
      state: 'fail',
      found: expect.stringContaining('Use crun'),
    });
  });

  it.each<[string, () => Promise<void> | void, string, string]>([
    [
      'an old systemd',
      () => {
        version = async () => '241';
      },
      'systemd',
      'fail',
    ],
    [
      'no bus',
      () => {
        version = async () => {
          throw new PodwrightError('unavailable', 'no bus');
        };
      },
      'systemd',
      'fail',
    ],
    ['no pids controller', () => put('/sys/fs/cgroup/cgroup.controllers', 'cpu memory'), 'cgroups', 'fail'],
    [
      'cgroup version 1',
      async () => {
        await rm(join(root, '/sys/fs/cgroup/cgroup.controllers'));
        await put(
          '/proc/cgroups',
          '#subsys_name\thierarchy\tnum\tenabled\ncpu\t1\t1\t1\nmemory\t2\t1\t1\npids\t3\t1\t1\n',
        );
      },
      'cgroups',
      'warn',
    ],
    ['no overlay', () => put('/proc/filesystems', 'nodev\ttmpfs\n'), 'overlay', 'fail'],
    ['a broken profile', () => put('/usr/share/containers/seccomp.json', '{'), 'seccomp profile', 'fail'],
    ['no policy', () => rm(join(root, '/etc/containers/policy.json')), 'signature policy', 'fail'],
    ['little space', () => undefined, 'image store', 'warn'],
    ['no plugin', () => undefined, 'network', 'fail'],
  ])('with %s says so and what to do', async (_what, damage, name, state) => {
    await damage();
    expect(await check(name)).toMatchObject({ state, fix: expect.any(String) });
  });

  it('warns when images are taken without a policy', async () => {
    expect(await check('signature policy', { insecurePolicy: true })).toMatchObject({ state: 'warn' });
  });
});

describe('an agent in a container', () => {
  const nsenter = (start: () => Promise<void>): Nsenter =>
    ({
      start,
      absHostPath: (name: string) => `/bin/${name}`,
      supportsSystemd: () => undefined,
    }) as unknown as Nsenter;

  it('sees what it needs of the host', async () => {
    await put('/proc/1/comm', 'systemd\n');
    const results = await runChecks(
      inContainerChecks(
        nsenter(async () => undefined),
        root,
        async () => undefined,
      ),
    );
    expect(results).toMatchObject([
      { name: 'host tools', state: 'ok', found: expect.stringContaining('/bin/findmnt') },
      { name: 'host mounts', state: 'ok', found: `seen below ${root}` },
      { name: 'host PID 1', state: 'ok' },
      { name: 'systemd-run', state: 'warn' },
    ]);
  });

  it('is told how its container has to be started', async () => {
    const missing = nsenter(async () => {
      throw new PodwrightError('missing-requirement', 'lacks findmnt');
    });
    const unseen = () => Promise.reject(new PodwrightError('missing-requirement', 'not seen'));
    expect(await runChecks(inContainerChecks(missing, root, unseen))).toMatchObject([
      { state: 'fail', found: 'lacks findmnt', fix: expect.stringContaining(`-v /:${root}`) },
      { state: 'fail', found: 'not seen', fix: expect.stringContaining(':rslave') },
      { state: 'fail', fix: expect.stringContaining('--pid=host') },
      { state: 'warn' },
    ]);
  });
});
