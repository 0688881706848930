import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configOfEnvironment, loadRuntimeConfig } from './config-sources.js';

let folder: string;
let configFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-'));
  configFile = join(folder, 'config.yaml');
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('loadRuntimeConfig', () => {
  it('takes flags before the environment, that before the file, that before the defaults', async () => {
    await writeFile(configFile, 'stateDir: /file\nrunDir: /file\nconfigDir: /file\n');
    const config = await loadRuntimeConfig({
      configFile,
      env: { PODWRIGHT_STATE_DIR: '/env', PODWRIGHT_RUN_DIR: '/env', PODWRIGHT_DEBUG: '' },
      overrides: { stateDir: '/flag' },
    });
    expect(config).toEqual({
      backend: 'systemd',
      stateDir: '/flag',
      runDir: '/env',
      configDir: '/file',
      allowedUnsafeSysctls: [],
      debug: false,
      maxParallelPulls: 1,
      backendOptions: {},
    });
  });

  it('merges options of the backend, and drops those of another one', async () => {
    await writeFile(configFile, 'backendOptions: {ociRuntime: runc, insecurePolicy: true}\n');
    const env = { PODWRIGHT_BACKEND_OPTIONS: '{"ociRuntime":"crun"}' };
    expect((await loadRuntimeConfig({ configFile, env })).backendOptions).toEqual({
      ociRuntime: 'crun',
      insecurePolicy: true,
    });
    const other = await loadRuntimeConfig({ configFile, env, overrides: { backend: 'memory' } });
    expect(other).toMatchObject({ backend: 'memory', backendOptions: {} });
    const same = await loadRuntimeConfig({ configFile, overrides: { backend: 'systemd' } });
    expect(same.backendOptions).toEqual({ ociRuntime: 'runc', insecurePolicy: true });
  });

  it('takes the file that the environment names, and an empty one', async () => {
    await writeFile(configFile, '# nothing\n');
    expect(await loadRuntimeConfig({ env: { PODWRIGHT_CONFIG: configFile } })).toMatchObject({
      debug: false,
    });
  });

  it.each([
    ['a: [', 'no YAML'],
    ['state-dir: /x', 'state-dir'],
    ['stateDir: relative', 'stateDir'],
    ['- a', 'configuration file'],
    ['debug: yes please', 'debug'],
  ])('refuses the file %j and names it', async (text, words) => {
    await writeFile(configFile, text);
    await expect(loadRuntimeConfig({ configFile })).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(configFile),
    });
    await expect(loadRuntimeConfig({ configFile })).rejects.toThrow(words);
  });

  it('needs a file that was named to be there', async () => {
    await expect(loadRuntimeConfig({ configFile })).rejects.toMatchObject({ kind: 'not-found' });
  });

  it.each([
    [{ PODWRIGHT_DEBUG: 'perhaps' }, 'PODWRIGHT_DEBUG'],
    [{ PODWRIGHT_BACKEND_OPTIONS: '{' }, 'PODWRIGHT_BACKEND_OPTIONS'],
    [{ PODWRIGHT_BACKEND_OPTIONS: '[]' }, 'PODWRIGHT_BACKEND_OPTIONS'],
  ])('refuses %j', (env, words) => {
    expect(() => configOfEnvironment(env)).toThrow(words);
  });
});
