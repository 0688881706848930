import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import type { HostExecutor, RunCommand } from '@podwright/nsenter';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDefaults } from '../sandbox-options.js';
import { ExecCniClient } from './cni-client.js';
import { type JsonObject, parseCniNetwork } from './cni-config.js';
import type { CniAttachment } from './cni-invocation.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwright-cni-'));
  for (const name of ['one', 'two', 'three']) {
    writeFileSync(join(folder, name), '');
    chmodSync(join(folder, name), 0o755);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Call {
  readonly plugin: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input: JsonObject;
}

/** Answers each plugin with `{by: NAME}`, or an error for those that fail. */
function fakeHost(failing: readonly string[] = []) {
  const calls: Call[] = [];
  const executor: HostExecutor = {
    async run({ command, env, input }: RunCommand) {
      const plugin = command.slice(folder.length + 1);
      calls.push({ plugin, env: env ?? {}, input: JSON.parse(String(input)) });
      const failed = failing.includes(plugin);
      const output =
        env?.['CNI_COMMAND'] === 'VERSION'
          ? { cniVersion: '1.0.0', supportedVersions: ['0.4.0', '1.0.0'] }
          : failed
            ? { code: 999, msg: `${plugin} broke` }
            : { by: plugin };
      return {
        stdout: Buffer.from(JSON.stringify(output)),
        stderr: Buffer.alloc(0),
        exitCode: failed ? 1 : 0,
      };
    },
    start: () => Promise.reject(new Error('not used')),
    which: async () => undefined,
    hostPath: (path) => path,
  };
  const options = withDefaults({ stateDir: '/s', runDir: '/r', cniBinDirs: ['/nowhere', folder] });
  return { calls, client: new ExecCniClient(executor, options) };
}

function attachmentOf(cniVersion: string, types: readonly string[], result?: JsonObject): CniAttachment {
  const plugins = types.map((type) => ({ type, capabilities: { portMappings: type === 'two' } }));
  return {
    network: parseCniNetwork(JSON.stringify({ cniVersion, name: 'net', plugins }), 'test'),
    containerId: 'abc',
    ifName: 'eth0',
    args: { IgnoreUnknown: '1', K8S_POD_NAME: 'web' },
    capabilityArgs: { portMappings: [{ hostPort: 80 }] },
    ...(result ? { result } : {}),
  };
}

describe('ExecCniClient', () => {
  it('adds along the chain, handing each result on', async () => {
    const { calls, client } = fakeHost();
    expect(await client.add(attachmentOf('1.0.0', ['one', 'two']), '/ns')).toEqual({ by: 'two' });
    expect(calls.map(({ plugin }) => plugin)).toEqual(['one', 'two']);
    expect(calls[0]?.env).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'abc',
      CNI_NETNS: '/ns',
      CNI_IFNAME: 'eth0',
      CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web',
      CNI_PATH: `/nowhere:${folder}`,
    });
    expect(calls[0]?.input).toMatchObject({ name: 'net', cniVersion: '1.0.0', type: 'one' });
    expect(calls[0]?.input).not.toHaveProperty('prevResult');
    expect(calls[0]?.input).not.toHaveProperty('runtimeConfig');
    expect(calls[1]?.input).toMatchObject({
      prevResult: { by: 'one' },
      runtimeConfig: { portMappings: [{ hostPort: 80 }] },
    });
  });

  it('stops adding at the first failure, in the plugin’s words', async () => {
    const { calls, client } = fakeHost(['two']);
    await expect(client.add(attachmentOf('1.0.0', ['one', 'two', 'three']), '/ns')).rejects.toThrow(
      /"two" failed at ADD of network "net": two broke/,
    );
    expect(calls.map(({ plugin }) => plugin)).toEqual(['one', 'two']);
  });

  it.each([
    ['0.3.1', undefined],
    ['0.4.0', { by: 'two' }],
    ['1.0.0', { by: 'two' }],
  ])('deletes backwards, with the result from version 0.4.0 on (%s)', async (version, prevResult) => {
    const { calls, client } = fakeHost();
    await client.del(attachmentOf(version, ['one', 'two'], { by: 'two' }), undefined);
    expect(calls.map(({ plugin }) => plugin)).toEqual(['two', 'one']);
    expect(calls.map(({ input }) => input['prevResult'])).toEqual([prevResult, prevResult]);
    expect(calls[0]?.env).toMatchObject({ CNI_COMMAND: 'DEL', CNI_NETNS: '' });
  });

  it('deletes on past a failure and tells all of them', async () => {
    const { calls, client } = fakeHost(['one', 'three']);
    await expect(client.del(attachmentOf('1.0.0', ['one', 'two', 'three']), '/ns')).rejects.toThrow(
      /2 CNI plugins failed.*three broke.*one broke/,
    );
    expect(calls.map(({ plugin }) => plugin)).toEqual(['three', 'two', 'one']);
  });

  it('checks in order with the last result', async () => {
    const { calls, client } = fakeHost();
    await client.check(attachmentOf('1.0.0', ['one', 'two'], { by: 'two' }), '/ns');
    expect(calls.map(({ plugin, env, input }) => [plugin, env['CNI_COMMAND'], input['prevResult']])).toEqual([
      ['one', 'CHECK', { by: 'two' }],
      ['two', 'CHECK', { by: 'two' }],
    ]);
  });

  it('names a plugin that is missing and where it looked', async () => {
    const { client } = fakeHost();
    const failed = client.add(attachmentOf('1.0.0', ['absent']), '/ns');
    await expect(failed).rejects.toSatisfy((error) => PodwrightError.is(error, 'missing-requirement'));
    await expect(failed).rejects.toThrow(new RegExp(`"absent" is in none of /nowhere, ${folder}`));
  });

  it('asks for versions once of each file', async () => {
    const { client, calls } = fakeHost();
    expect(await client.versions('one')).toEqual(['0.4.0', '1.0.0']);
    expect(await client.versions('one')).toEqual(['0.4.0', '1.0.0']);
    expect(calls.length).toBe(1);
    writeFileSync(join(folder, 'one'), 'of another release');
    await client.versions('one');
    expect(calls.length).toBe(2);
  });

  it('refuses arguments that would become others', async () => {
    const { client, calls } = fakeHost();
    const attachment = { ...attachmentOf('1.0.0', ['one']), args: { K8S_POD_NAME: 'a;IgnoreUnknown=0' } };
    await expect(client.add(attachment, '/ns')).rejects.toSatisfy((error) =>
      PodwrightError.is(error, 'invalid-argument'),
    );
    expect(calls).toEqual([]);
  });
});
