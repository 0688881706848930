import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PodRecord } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podOf } from './fake-backend.spec-helper.js';
import { FilePodStore } from './file-pod-store.js';

let stateDir: string;
let store: FilePodStore;
const opened: FilePodStore[] = [];

async function openStore(directory = stateDir): Promise<FilePodStore> {
  const next = new FilePodStore(directory);
  await next.open();
  opened.push(next);
  return next;
}

function recordOf(uid: string, state: PodRecord['state'] = 'running'): PodRecord {
  const manifest = podOf({}, { uid, name: uid, annotations: { note: ' \u00e4"\\\n\t%$' } });
  return { uid, namespace: 'default', name: uid, manifest, createdAtMs: 5, state };
}

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'pod-store-'));
  store = await openStore();
});

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await rm(stateDir, { recursive: true });
});

describe('FilePodStore', () => {
  it('gives back after a restart what was put, byte for byte', async () => {
    await store.put(recordOf('one'));
    await store.put(recordOf('two', 'preparing'));
    const last: PodRecord = { ...recordOf('one', 'killed'), owed: ['web'], unhealthy: ['log'] };
    await store.put(last);
    await store.delete('two');
    await store.delete('never-there');
    await store.close();
    const next = await openStore();
    expect(await next.list()).toEqual([last]);
    expect(await next.get('two')).toBeUndefined();
  });

  it('writes records of one pod that are put at once one after the other, the last one last', async () => {
    await Promise.all([
      store.put(recordOf('one', 'preparing')),
      store.put(recordOf('one', 'running')),
      store.put(recordOf('one', 'killed')),
    ]);
    expect((await store.get('one'))?.state).toBe('killed');
    await Promise.all([store.put(recordOf('two')), store.delete('two')]);
    await store.close();
    expect(await (await openStore()).list()).toEqual([recordOf('one', 'killed')]);
  });

  it('lets only the owner read, because manifests hold secrets', async () => {
    await store.put(recordOf('one'));
    const mode = async (path: string) => (await stat(join(stateDir, path))).mode & 0o777;
    expect([await mode('pods'), await mode('pods/one.json')]).toEqual([0o700, 0o600]);
  });

  it('passes over what a crash left half-written', async () => {
    await store.put(recordOf('one'));
    await store.close();
    await writeFile(join(stateDir, 'pods', 'two.json.tmp'), '{"version":1,"uid":"tw');
    expect((await (await openStore()).list()).map(({ uid }) => uid)).toEqual(['one']);
    expect(await readdir(join(stateDir, 'pods'))).not.toContain('two.json.tmp');
  });

  it.each([
    ['corrupt-state', 'no JSON', () => '{"version":1'],
    ['corrupt-state', 'no object', () => '7'],
    ['corrupt-state', 'no version', () => '{}'],
    ['corrupt-state', 'of another pod', (text: string) => text.replace('"uid":"one"', '"uid":"two"')],
    ['corrupt-state', 'a wrong state', (text: string) => text.replace('"running"', '"walking"')],
    ['corrupt-state', 'a wrong manifest', (text: string) => text.replace('"containers"', '"boxes"')],
    [
      'failed-precondition',
      'of a newer version',
      (text: string) => text.replace('"version":1', '"version":2'),
    ],
  ])('is a %s when a file is %s, and names the file', async (kind, _what, change) => {
    await store.put(recordOf('one'));
    await store.close();
    const path = join(stateDir, 'pods', 'one.json');
    await writeFile(path, change(await readFile(path, 'utf8')));
    await expect(openStore()).rejects.toMatchObject({ kind, details: { path } });
    // The failed open holds nothing.
    await rm(path);
    await openStore();
  });

  it('is closed before open and after close', async () => {
    await store.close();
    await expect(store.list()).rejects.toMatchObject({ kind: 'closed' });
  });

  it('works in a directory whose path is too long for a socket', async () => {
    const long = join(stateDir, 'x'.repeat(120));
    await openStore(long);
    await expect(openStore(long)).rejects.toMatchObject({ kind: 'failed-precondition' });
  });

  it('says what is wrong with a directory that cannot be made', async () => {
    await writeFile(join(stateDir, 'file'), '');
    await expect(openStore(join(stateDir, 'file'))).rejects.toMatchObject({ kind: 'invalid-argument' });
  });

  it('keeps the old record when there is no space for the new one', async () => {
    await store.put(recordOf('one'));
    await symlink('/dev/full', join(stateDir, 'pods', 'one.json.tmp'));
    await expect(store.put(recordOf('one', 'killed'))).rejects.toMatchObject({ kind: 'no-space' });
    expect((await store.get('one'))?.state).toBe('running');
    await store.close();
    expect(await (await openStore()).list()).toEqual([recordOf('one')]);
  });
});

describe('the lock of a state directory', () => {
  it('is held by one store at a time, and free again after close', async () => {
    await expect(openStore()).rejects.toMatchObject({
      kind: 'failed-precondition',
      details: { pid: `${process.pid}` },
    });
    await store.close();
    await openStore();
  });

  it('is got by exactly one of many that come at once', async () => {
    await store.close();
    for (let round = 0; round < 5; round++) {
      const stores = await Promise.allSettled(Array.from({ length: 8 }, () => openStore()));
      expect(stores.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const each of opened.splice(0)) await each.close();
    }
  });

  it('ends with a process that is killed with SIGKILL, and not before', async () => {
    await store.close();
    const holder = spawnHolder(join(stateDir, 'pods'));
    try {
      await once(holder.stdout ?? holder, 'data');
      await expect(openStore()).rejects.toMatchObject({ details: { pid: `${holder.pid}` } });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      await openStore();
      expect((await readdir(join(stateDir, 'pods'))).filter((name) => name.endsWith('.sock'))).toHaveLength(
        1,
      );
    } finally {
      holder.kill('SIGKILL');
    }
  });
});

/** A process that holds the directory in the way in which the lock does it, on a socket of the same kind of name. */
function spawnHolder(directory: string): ChildProcess {
  const program = `
    const server = require('node:net').createServer((socket) => socket.end('holder ' + process.pid));
    process.chdir(${JSON.stringify(directory)});
    server.listen('lock-held.sock', () => console.log('ready'));
  `;
  return spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
}
