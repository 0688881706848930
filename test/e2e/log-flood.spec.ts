import { createHash } from 'node:crypto';
import type { LogEntry } from '@podwright/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { podStatusAtEnd, shell, testPod } from './support/test-pods.js';

const LINES = 200_000;
const CHILDREN = 500;

let agent: TestAgent;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  await pullBusybox(agent);
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

/** Runs a script to its end and hands over every entry of its output. */
async function eachEntry(script: string, look: (entry: LogEntry) => void): Promise<void> {
  const { uid } = await agent.runtime.runPod(testPod('writer', [shell('main', script)]));
  await podStatusAtEnd(agent, uid, 150_000);
  for await (const entry of agent.runtime.getContainerLogs({ uid })) look(entry);
}

/** The bytes of each stream as they were written: a line feed after each whole line. */
async function streamsOf(script: string): Promise<{ stdout: Buffer; stderr: Buffer; entries: LogEntry[] }> {
  const entries: LogEntry[] = [];
  await eachEntry(script, (entry) => entries.push(entry));
  const bytesOf = (stream: LogEntry['stream']) =>
    Buffer.concat(
      entries
        .filter((entry) => entry.stream === stream)
        .flatMap(({ line, partial }) => (partial ? [line] : [line, Buffer.from('\n')])),
    );
  return { stdout: bytesOf('stdout'), stderr: bytesOf('stderr'), entries };
}

describe('logs of a flood', () => {
  it(`${LINES} lines written at once by one process are all there, in order`, {
    timeout: 240_000,
  }, async () => {
    let count = 0;
    const wrong: string[] = [];
    const times = { last: 0, backwards: 0 };
    await eachEntry(`seq 1 ${LINES}`, ({ line, stream, partial, timestampUs }) => {
      count++;
      const text = line.toString();
      if (wrong.length < 5 && (text !== String(count) || stream !== 'stdout' || partial)) {
        wrong.push(`entry ${count}: ${stream} "${text}"${partial ? ' partial' : ''}`);
      }
      if (timestampUs < times.last) times.backwards++;
      times.last = timestampUs;
    });
    expect(wrong).toEqual([]);
    expect(count).toBe(LINES);
    expect(times.backwards).toBe(0);
  });

  it(`2,000 lines by ${CHILDREN} short-lived children are all there, in order and on their streams`, {
    timeout: 180_000,
  }, async () => {
    const script = `i=0; while [ $i -lt ${CHILDREN} ]; do
        /bin/sh -c "echo out $i first; echo out $i second"
        /bin/sh -c "echo err $i first >&2; echo err $i second >&2"
        i=$((i + 1)); done`;
    const { stdout, stderr, entries } = await streamsOf(script);
    const expected = (word: string) =>
      Array.from({ length: CHILDREN }, (_, i) => `${word} ${i} first\n${word} ${i} second\n`).join('');
    expect(stdout.toString()).toBe(expected('out'));
    expect(stderr.toString()).toBe(expected('err'));
    expect(entries).toHaveLength(4 * CHILDREN);
  });

  it('blank lines, blanks, NUL, bytes that are no UTF-8 and an end without line feed come byte for byte', async () => {
    const written =
      '\\n\\n  both ends  \\n\\ttab\\r\\na\\000b\\000\\n\\377\\376 raw\\n\\303\\244 €\\n\\nno line feed';
    const { stdout, stderr, entries } = await streamsOf(`printf '${written}'; printf 'err\\n\\n' >&2`);
    const expected = Buffer.concat([
      Buffer.from('\n\n  both ends  \n\ttab\r\na\0b\0\n'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(' raw\nä €\n\nno line feed'),
    ]);
    const isWhole = entries.filter(({ stream }) => stream === 'stdout').at(-1)?.partial === false;
    expect(stdout.toString('latin1')).toBe(expected.toString('latin1') + (isWhole ? '\n' : ''));
    expect(stderr.toString()).toBe('err\n\n');
  });

  it('lines of 100 kB come byte for byte, their parts marked as such', { timeout: 60_000 }, async () => {
    // Each line differs, and holds NUL and bytes that are no UTF-8.
    const script = `i=0; while [ $i -lt 5 ]; do
      head -c 33000 /dev/zero | tr '\\000' "$i"; head -c 33000 /dev/zero; head -c 34000 /dev/zero | tr '\\000' '\\377'
      printf 'end %d\\n' $i; i=$((i + 1)); done`;
    const { stdout, entries } = await streamsOf(script);
    const expected = Buffer.concat(
      [0, 1, 2, 3, 4].flatMap((i) => [
        Buffer.alloc(33_000, String(i)),
        Buffer.alloc(33_000),
        Buffer.alloc(34_000, 0xff),
        Buffer.from(`end ${i}\n`),
      ]),
    );
    expect(stdout.length).toBe(expected.length);
    expect(sha256(stdout)).toBe(sha256(expected));
    expect(entries.filter(({ partial }) => !partial)).toHaveLength(5);
  });

  it('a tail has so many lines and no more while the container goes on writing', async () => {
    const { uid } = await agent.runtime.runPod(
      testPod('writer', [shell('main', 'while :; do echo line; sleep 0.002; done')]),
    );
    let written = 0;
    for await (const _line of agent.runtime.getContainerLogs({ uid }, { follow: true })) {
      if (++written === 3) break;
    }
    const counts: number[] = [];
    for (const tail of [3, 3, 1]) {
      let lines = 0;
      for await (const _line of agent.runtime.getContainerLogs({ uid }, { tail })) lines++;
      counts.push(lines);
    }
    expect(counts).toEqual([3, 3, 1]);
    await agent.runtime.killPod({ uid }, { graceMs: 0 });
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
