// Filters of system calls over a CRI socket, as profiles and in the older form of paths.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CriBed, expectRefusal, type SecurityInit } from '../support/cri-bed.js';

const { RuntimeDefault, Unconfined, Localhost } = cri.SecurityProfile_ProfileType;

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

/** A profile on the host that refuses some system calls. */
async function profile(...names: readonly string[]): Promise<string> {
  const path = join(await bed.folder(), 'profile.json');
  const syscalls = [{ names, action: 'SCMP_ACT_ERRNO' }];
  await writeFile(path, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
  return path;
}

/** A container in a pod with the same profile, and privileges if it has them. */
async function startWith(security: SecurityInit): Promise<string> {
  const { seccomp, seccompProfilePath = '', privileged = false } = security;
  const securityContext = { seccompProfilePath, privileged, ...(seccomp ? { seccomp } : {}) };
  const pod = await bed.runPod({ linux: { securityContext } });
  return await bed.startSecured(pod, security);
}

const filterOf = async (security: SecurityInit) =>
  (await bed.output(await startWith(security), 'grep', 'Seccomp:', '/proc/self/status')).trim();

const SYS_ADMIN = { capabilities: { addCapabilities: ['SYS_ADMIN'] } };
const setHostname = (id: string) => bed.exec(id, 'hostname', 'ANewHostName');

describe('the filter of system calls', () => {
  it.each<[string, SecurityInit, string]>([
    ['none when nothing is said of it', {}, '0'],
    ['none when unconfined', { seccomp: { profileType: Unconfined } }, '0'],
    ['that of the runtime', { seccomp: { profileType: RuntimeDefault } }, '2'],
    ['that of the runtime for an empty profile', { seccomp: {} }, '2'],
    ['none by the path unconfined', { seccompProfilePath: 'unconfined' }, '0'],
    ['that of the runtime by its path', { seccompProfilePath: 'runtime/default' }, '2'],
    ['that of the runtime by its old path', { seccompProfilePath: 'docker/default' }, '2'],
    ['none for a privileged container', { seccomp: { profileType: RuntimeDefault }, privileged: true }, '0'],
  ])('is %s', async (_, security, mode) => {
    expect(await filterOf(security)).toBe(`Seccomp:\t${mode}`);
  });

  it.each(['profile', 'path'])('is that of a file of the host, by its %s', async (form) => {
    const path = await profile('chmod', 'fchmodat', 'fchmodat2');
    const id = await startWith(
      form === 'profile'
        ? { seccomp: { profileType: Localhost, localhostRef: path } }
        : { seccompProfilePath: `localhost/${path}` },
    );
    expect(await bed.exec(id, 'chmod', '400', '/')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Operation not permitted'),
    });
  });

  it('is not one that is not there, or by a path without its prefix', async () => {
    const path = await profile('chmod');
    const absent = { seccomp: { profileType: Localhost, localhostRef: `${path}-absent` } };
    for (const security of [
      absent,
      { seccompProfilePath: path },
      { seccompProfilePath: `localhost/${path}x` },
    ]) {
      const pod = await bed.runPod();
      await expectRefusal(bed.create(pod, { linux: { securityContext: security } }));
    }
  });

  it('refuses the name of the host even to those who may change it', async () => {
    const path = await profile('sethostname');
    const id = await startWith({ ...SYS_ADMIN, seccomp: { profileType: Localhost, localhostRef: path } });
    expect(await setHostname(id)).toMatchObject({ exitCode: 1 });
  });

  it('lets those who may change the name of the host do so', async () => {
    for (const profileType of [Unconfined, RuntimeDefault]) {
      const able = await startWith({ ...SYS_ADMIN, seccomp: { profileType } });
      expect(await setHostname(able), cri.SecurityProfile_ProfileType[profileType]).toMatchObject({
        exitCode: 0,
      });
    }
    const unable = await startWith({ seccomp: { profileType: RuntimeDefault } });
    expect(await setHostname(unable)).toMatchObject({ exitCode: 1 });
  });

  it('is not there for a privileged container, whatever it asks for', async () => {
    const seccomp = { profileType: Localhost, localhostRef: await profile('sethostname') };
    expect(await setHostname(await startWith({ privileged: true, seccomp }))).toMatchObject({ exitCode: 0 });
  });
});
