import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ContainerConfig } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  parseTerminationMessage,
  prepareTerminationMessage,
  readTerminationMessage,
  terminationMount,
} from './termination-message.js';

const run = promisify(execFile);
const FILE_ONLY = { path: '/dev/termination-log', fallbackToLogs: false };
const FALLBACK = { ...FILE_ONLY, fallbackToLogs: true };

let state: string;

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "podwright message '$HOME-"));
  await mkdir(join(state, 'bin'));
});

afterEach(async () => {
  await rm(state, { recursive: true });
});

async function sh(script: string): Promise<string> {
  const env = { PATH: `${join(state, 'bin')}:${process.env['PATH']}`, INVOCATION_ID: 'inv' };
  const { stdout } = await run('sh', ['-uc', `state=$1\n${script}`, 'sh', state], { env });
  return stdout;
}

/** The message that the record script reads, from what there is. */
async function message(config: typeof FALLBACK, code: string, started = '1'): Promise<string | undefined> {
  const script = `code=${code} started=${started} finished=2\n${readTerminationMessage('cid', config)}`;
  return parseTerminationMessage(await sh(`${script}printf '%s' "$message"`));
}

/** A journalctl that has this output for the log of the attempt. */
async function journal(output: string): Promise<void> {
  await writeFile(join(state, 'log'), output);
  const log = `"$(dirname "$0")/../log"`;
  const body = `#!/bin/sh\ncase "$*" in *CONTAINER_TAG=inv*) cat ${log} ;; esac\n`;
  await writeFile(join(state, 'bin', 'journalctl'), body, { mode: 0o755 });
}

describe('the termination message', () => {
  it.each([
    ['plain', 'out of paint\n'],
    ['what a shell would run', '$(touch /tmp/owned); `id` "\'\\ \t\n%s%n'],
    ['other scripts', 'ende – 終わり'],
  ])('is given byte for byte: %s', async (_what, text) => {
    await writeFile(join(state, 'termination-message'), text);
    expect(await message(FILE_ONLY, '1')).toBe(text);
  });

  it('is cut after 4096 bytes', async () => {
    await writeFile(join(state, 'termination-message'), 'x'.repeat(5000));
    expect(await message(FILE_ONLY, '0')).toBe('x'.repeat(4096));
  });

  it('is absent when the file is empty or gone, and when there is none to be', async () => {
    expect(await message(FILE_ONLY, '1')).toBeUndefined();
    await writeFile(join(state, 'termination-message'), '');
    expect(await message(FILE_ONLY, '1')).toBeUndefined();
    expect(readTerminationMessage('cid', undefined)).toBe('message=-\n');
  });

  it.each<[string, string, string, string | undefined]>([
    ['lines as conmon writes them', 'one\n\n\n\ntwo\n\n', '3', 'one\n\ntwo\n'],
    ['parts of a long line', 'par\nts\n\nend\n\n', '3', 'parts\nend\n'],
    ['an unfinished line', 'one\n\nunfin\n', '3', 'one\nunfin\n'],
    ['2048 bytes at most', `${'y'.repeat(3000)}\n\n`, '3', `${'y'.repeat(2047)}\n`],
    ['nothing of a container that ended well', 'one\n\n', '0', undefined],
    ['nothing when the log is empty', '', '3', undefined],
  ])('falls back to the log: %s', async (_what, output, code, expected) => {
    await journal(output);
    expect(await message(FALLBACK, code)).toBe(expected);
    expect(await message(FILE_ONLY, code)).toBeUndefined();
  });

  it('is what the container says, rather than its log', async () => {
    await journal('the log\n\n');
    await writeFile(join(state, 'termination-message'), 'own words');
    expect(await message(FALLBACK, '3')).toBe('own words');
  });

  it('has a new file for each attempt, which every user may write to', async () => {
    await writeFile(join(state, 'termination-message'), 'of the attempt before');
    await sh(`fail() { exit 1; }\numask 077\n${prepareTerminationMessage(FILE_ONLY)}`);
    expect(await readFile(join(state, 'termination-message'), 'utf8')).toBe('');
    expect((await stat(join(state, 'termination-message'))).mode & 0o777).toBe(0o666);
    expect(prepareTerminationMessage(undefined)).toBe('');
  });

  it('is mounted unless a volume takes its place', () => {
    const config = (containerPath: string) =>
      ({
        terminationMessage: FILE_ONLY,
        mounts: [{ hostPath: '/v', containerPath }],
      }) as unknown as ContainerConfig;
    const mount = { hostPath: '/s/termination-message', containerPath: '/dev/termination-log' };
    expect(terminationMount(config('/v'), { state: '/s' })).toEqual([mount]);
    expect(terminationMount(config('/dev/termination-log'), { state: '/s' })).toEqual([]);
  });
});
