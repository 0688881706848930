import 'reflect-metadata';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger, silentLogger } from '@podwright/core';
import { nsenterModule } from '@podwright/nsenter';
import { Container } from 'inversify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OciHostFacts } from './build-oci-spec.js';
import { ExecHandler } from './exec-handler.js';
import { type OciModuleOptions, ociModule } from './oci-module.js';
import { OciRuntime } from './oci-runtime.js';
import { SeccompProfiles } from './seccomp-profiles.js';
import { stopSignal } from './stop-signal.js';
import { sttySize } from './terminal-resize.js';
import { parseProgramVersion } from './versions.js';

const FACTS: OciHostFacts = {
  capabilities: ['CAP_KILL'],
  cgroupVersion: 2,
  hardLimits: {},
  arch: 'amd64',
  kernelVersion: '6.1',
  mandatoryAccess: { seLinux: false },
};
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'podwright-programs-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** A program that says this when asked for its version. */
async function program(name: string, said: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\n[ "$1" = --version ] && echo '${said}'\n`, { mode: 0o755 });
  return path;
}

async function load(options: OciModuleOptions): Promise<Container> {
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  await container.load(nsenterModule({ mode: 'local' }), ociModule(options));
  return container;
}

describe('parseProgramVersion', () => {
  it.each([
    ['crun', 'crun version 1.8.1\ncommit: f8a0\nspec: 1.0.0\n', '1.8.1'],
    ['runc', 'runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\n', '1.1.5'],
    ['conmon', 'conmon version 2.1.6\ncommit: unknown\n', '2.1.6'],
    ['crun', 'crun version UNKNOWN\n', undefined],
    ['crun', 'runc version 1.1.5\n', undefined],
  ] as const)('%s: %j', (name, output, expected) => {
    expect(parseProgramVersion(name, output)).toBe(expected);
  });
});

describe('OciRuntime', () => {
  it('finds both programs with their versions', async () => {
    const runtime = await program('good-crun', 'crun version 1.14');
    const conmon = await program('good-conmon', 'conmon version 2.1.6');
    const container = await load({ runtime, conmon, runtimeRoot: '/run/x' });
    expect(await container.get(OciRuntime).find()).toEqual({
      runtime: { flavour: 'crun', path: runtime, root: '/run/x' },
      runtimeVersion: '1.14',
      conmon: { path: conmon, version: '2.1.6' },
    });
    expect(container.get(ExecHandler)).toBe(container.get(ExecHandler));
  });

  it.each([
    ['crun version 0.17', /old-crun is crun 0\.17, and 1\.8 or newer is needed/],
    ['runc version 1.1.5', /is no crun: .* it said "runc version 1\.1\.5"\. crun 1\.8 or newer is needed/],
  ])('names what it found and what it needs: %s', async (said, message) => {
    const runtime = await program('old-crun', said);
    const conmon = await program('good-conmon', 'conmon version 2.1.6');
    await expect((await load({ runtime, conmon })).get(OciRuntime).find()).rejects.toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringMatching(message),
    });
  });

  it('names what is not there', async () => {
    const runtime = await program('good-crun', 'crun version 1.14');
    const container = await load({ runtime, conmon: join(directory, 'nothing') });
    await expect(container.get(OciRuntime).find()).rejects.toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringMatching(/nothing was not found .* conmon 2\.1 or newer/),
    });
  });
});

describe('SeccompProfiles', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      { names: ['kill'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_KILL'] } },
      { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_BPF'] } },
    ],
  };
  let seccompProfile: string;
  beforeAll(async () => {
    seccompProfile = join(directory, 'seccomp.json');
    await writeFile(seccompProfile, JSON.stringify(profile));
    await writeFile(join(directory, 'broken.json'), '{');
  });

  it('gives the default profile for the container’s own capabilities, a named one, or none', async () => {
    const profiles = (await load({ seccompProfile, seccompProfileRoot: directory })).get(SeccompProfiles);
    const names = async (security: Parameters<SeccompProfiles['load']>[0]) =>
      (await profiles.load(security, FACTS))?.syscalls.flatMap((rule) => rule.names);
    expect(await names({})).toEqual(['kill']);
    expect(await names({ seccomp: { type: 'RuntimeDefault' } })).toEqual(['kill']);
    expect(await names({ dropCapabilities: ['ALL'] })).toEqual([]);
    expect(await names({ seccomp: { type: 'Localhost', localhostPath: seccompProfile } })).toEqual(['kill']);
    expect(await names({ seccomp: { type: 'Localhost', localhostPath: 'seccomp.json' } })).toEqual(['kill']);
    expect(await names({ seccomp: { type: 'Unconfined' } })).toBeUndefined();
    expect(await names({ privileged: true })).toBeUndefined();
  });

  it.each([
    [{ type: 'Localhost' }, 'invalid-argument', 'needs a path'],
    [{ type: 'Unconfined', localhostPath: '/x' }, 'invalid-argument', 'has no path'],
    [{ type: 'Localhost', localhostPath: '/no/such.json' }, 'not-found', '/no/such.json'],
    [{ type: 'Localhost', localhostPath: 'a.json' }, 'not-found', '/var/lib/podwright/seccomp/a.json'],
    [{ type: 'Localhost', localhostPath: 'a/../../b.json' }, 'invalid-argument', 'without'],
    [{ type: 'RuntimeDefault' }, 'missing-requirement', 'golang-github-containers-common'],
  ] as const)('refuses %j', async (seccomp, kind, said) => {
    const profiles = (await load({ seccompProfile: '/no/default.json' })).get(SeccompProfiles);
    await expect(profiles.load({ seccomp }, FACTS)).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(said),
    });
  });

  it('says that a file is no JSON', async () => {
    const profiles = (await load({ seccompProfile: join(directory, 'broken.json') })).get(SeccompProfiles);
    await expect(profiles.load({}, FACTS)).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});

describe('stopSignal', () => {
  it.each([
    [undefined, undefined, 'TERM'],
    [undefined, 'SIGQUIT', 'QUIT'],
    ['SIGUSR1', 'SIGQUIT', 'USR1'],
    ['int', undefined, 'INT'],
    [undefined, '9', 'KILL'],
    [undefined, '37', '37'],
    ['SIGRTMIN+3', undefined, 'RTMIN+3'],
    ['RTMAX-1', undefined, 'RTMAX-1'],
  ])('of %s with the image’s %s is %s', (own, images, expected) => {
    const image = images === undefined ? {} : { config: { StopSignal: images } };
    expect(stopSignal(own === undefined ? {} : { stopSignal: own }, image)).toBe(expected);
  });

  it.each(['SIGNOTHING', '0', '65', 'RTMAX+1', 'RTMIN-1', '-1'])('refuses %s', (signal) => {
    expect(() => stopSignal({ stopSignal: signal }, {})).toThrow(`"${signal}" is none of Linux`);
  });
});

describe('sttySize', () => {
  it('is what stty takes', () => {
    expect(sttySize({ rows: 1, columns: 2 })).toEqual(['rows', '1', 'columns', '2']);
  });
});
