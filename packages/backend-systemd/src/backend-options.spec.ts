import { describe, expect, it } from 'vitest';
import { parseBackendOptions } from './backend-options.js';
import { errorOf } from './testing.spec-helper.js';

describe('parseBackendOptions', () => {
  it('has a default for everything', () => {
    expect(parseBackendOptions({})).toEqual({
      binaries: {},
      defaultNetwork: true,
      keepNetworkMs: 0,
      ociRuntime: 'crun',
      execHandler: 'oci',
      allowUnconfined: false,
      restartBackoff: { initialMs: 10_000, maxMs: 300_000, resetMs: 600_000 },
      startTimeoutMs: 120_000,
      supervisedRestart: true,
      insecureRegistries: [],
      insecurePolicy: false,
      pinnedImages: [],
      unitDir: '/etc/systemd/system',
    });
    expect(parseBackendOptions({ restartBackoff: { initialMs: 1 }, inContainer: {} })).toMatchObject({
      restartBackoff: { initialMs: 1, maxMs: 300_000, resetMs: 600_000 },
      inContainer: { hostRoot: '/rootfs' },
    });
  });

  it.each<[object, RegExp]>([
    [{ binarys: {} }, /binarys/],
    [{ binaries: { crun: 'crun' } }, /binaries\.crun: has to be an absolute path/],
    [{ ociRuntime: 'kata' }, /ociRuntime: .*crun/],
    [{ execHandler: 'docker' }, /execHandler/],
    [{ allowUnconfined: 1 }, /allowUnconfined/],
    [{ restartBackoff: { initialMs: -1 } }, /restartBackoff\.initialMs/],
    [{ restartBackoff: { initialMs: 10, maxMs: 5 } }, /restartBackoff.*initialMs.*maxMs/],
    [{ restartBackoff: { resetMs: 0 } }, /restartBackoff\.resetMs/],
    [{ startTimeoutMs: 0.5 }, /startTimeoutMs/],
    [{ inContainer: { hostRoot: 'rootfs' } }, /inContainer\.hostRoot/],
    [{ imageStore: { root: '/a' } }, /imageStore\.runRoot/],
    [{ cniBinDirs: [] }, /cniBinDirs/],
  ])('refuses %j, and names what is wrong and what there is', async (options, message) => {
    const error = await errorOf(() => parseBackendOptions({ ...options }));
    expect(error.kind).toBe('invalid-argument');
    expect(error.message).toMatch(message);
    expect(error.message).toContain('Known keys: binaries, ');
  });

  it('refuses allowUnconfined with the handler that confines every command', async () => {
    expect(parseBackendOptions({ execHandler: 'nsenter', allowUnconfined: true }).allowUnconfined).toBe(true);
    const error = await errorOf(() => parseBackendOptions({ allowUnconfined: true }));
    expect(error.kind).toBe('invalid-argument');
    expect(error.message).toMatch(/allowUnconfined.*execHandler/);
  });
});
