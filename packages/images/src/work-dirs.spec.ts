import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostExecutor } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WorkDirs } from './work-dirs.js';

const auth = { username: 'me', password: 'secret' };
let root: string;

/** The directories of one agent; each call is another process of it, as far as files can tell. */
function newWorkDirs(): WorkDirs {
  const never = () => Promise.reject(new Error('no command is needed'));
  const executor: HostExecutor = { run: never, start: never, which: never, hostPath: (path) => path };
  return new WorkDirs(executor, { runDir: join(root, 'run'), tmpDir: join(root, 'tmp') });
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'work-dirs-'));
  mkdirSync(join(root, 'tmp'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('WorkDirs', () => {
  it('leaves the directories of a pull alone that another living process has under way', async () => {
    const pull = await newWorkDirs().create();
    const file = await pull.writeAuthFile('registry:5000', auth);
    await using other = await newWorkDirs().create();
    expect([existsSync(pull.path), existsSync(file), existsSync(other.path)]).toEqual([true, true, true]);
    await pull[Symbol.asyncDispose]();
    expect([existsSync(pull.path), existsSync(file), existsSync(other.path)]).toEqual([false, false, true]);
  });

  it('removes what a killed process left, also when another one has its PID by now', async () => {
    const { path } = await newWorkDirs().create();
    const name = path.slice(join(root, 'tmp').length + 1);
    const stale = name.replace(/-\d+\.\d+-/, `-${process.pid}.1-`);
    mkdirSync(join(root, 'tmp', stale));
    writeFileSync(join(root, 'run', 'auth', `${stale}.json`), '{}');
    mkdirSync(join(root, 'tmp', 'of-somebody-else'));
    await newWorkDirs().create();
    expect(readdirSync(join(root, 'tmp'))).toContain('of-somebody-else');
    expect(readdirSync(join(root, 'tmp'))).not.toContain(stale);
    expect(readdirSync(join(root, 'run', 'auth'))).toEqual([]);
  });
});
