import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ContainerConfig } from '@podwright/core';
import { attach, attachedAll, endOf, reader, run } from '../attached-clients.js';
import { type ConformanceCase, section } from '../conformance-case.js';
import { MUCH_OUTPUT_BYTES, readSlowly } from '../slow-reader.js';
import { exitWith, script, sleepForever } from '../workloads.js';

/** Answers each line of its input until the end of it. */
const DIALOGUE = 'while read -r line; do echo "got $line"; done; echo end; exit 7';
const INPUT: Partial<ContainerConfig> = { stdin: true };
const INPUT_ONCE: Partial<ContainerConfig> = { stdin: true, stdinOnce: true };

const cases = section('attach', {
  dialogue: {
    title: "a client talks with a container's first process",
    run: async (t) => {
      const session = await attach(t, await run(t, DIALOGUE, INPUT));
      const says = reader(t, session.stdout);
      for (const word of ['one', 'two']) {
        session.stdin?.write(`${word}\n`);
        assert.equal(await says('\n'), `got ${word}\n`);
      }
    },
  },
  'input-once': {
    title:
      'with stdinOnce ending the input is end of file for the container, whose output and exit code still come',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT_ONCE);
      const session = await attach(t, id);
      const output = t.readAll(session.stdout);
      session.stdin?.end('last\n');
      assert.equal(await output, 'got last\nend\n');
      assert.equal(await endOf(t, session), 'exit 7');
      assert.equal((await t.ended(id)).attempts.at(-1)?.exitCode, 7);
    },
  },
  'input-stays': {
    title: 'without stdinOnce the input stays open for the next client',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT);
      for (const word of ['first', 'second']) {
        const session = await attach(t, id);
        const says = reader(t, session.stdout);
        session.stdin?.end(`${word}\n`);
        assert.equal(await says('\n'), `got ${word}\n`);
        await session.detach();
        assert.equal(await endOf(t, session), 'detached');
      }
      assert.equal((await t.service.containerStatus(id)).state, 'running');
    },
  },
  'much-input': {
    title: 'megabytes of input arrive whole, and as many come back',
    run: async (t) => {
      const session = await attach(t, await run(t, 'cat', INPUT_ONCE));
      const sent = Buffer.alloc(3 * 1024 * 1024);
      for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
      const received = createHash('sha256');
      session.stdout.on('data', (chunk: Buffer) => received.update(chunk));
      session.stdin?.end(sent);
      assert.equal(await endOf(t, session), 'exit 0');
      assert.equal(received.digest('hex'), createHash('sha256').update(sent).digest('hex'));
    },
  },
  'only-new': {
    title: 'a client gets what is written from its coming on, and nothing of before',
    run: async (t) => {
      const id = await run(t, 'echo before; read -r line; echo "after $line"', INPUT_ONCE);
      await t.says(id, 'before');
      const session = await attach(t, id);
      session.stdin?.end('now\n');
      assert.equal(await t.readAll(session.stdout), 'after now\n');
    },
  },
  'in-log': {
    title: 'what an attached container writes is in its log too',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT_ONCE);
      const session = await attach(t, id);
      session.stdout.resume();
      session.stdin?.end('logged\n');
      await t.ended(id);
      assert.deepEqual(
        (await t.lines(id)).map(({ text }) => text),
        ['got logged', 'end'],
      );
    },
  },
  streams: {
    title: 'stdout and stderr are apart, byte for byte',
    run: async (t) => {
      const id = await run(t, `read -r x; printf 'a\\0\\377'; printf 'e\\001' >&2; exit 3`, INPUT_ONCE);
      const session = await attach(t, id);
      const bytes = async (stream: Readable | undefined) => [
        ...Buffer.concat(await (stream?.toArray() as Promise<Buffer[]>)),
      ];
      const outputs = Promise.all([bytes(session.stdout), bytes(session.stderr)]);
      session.stdin?.end('\n');
      assert.deepEqual(await t.soon(outputs, 'both outputs'), [
        [97, 0, 255],
        [101, 1],
      ]);
      assert.equal(await endOf(t, session), 'exit 3');
    },
  },
  'output-only': {
    title: 'a client without input sees the output of a container that has none',
    run: async (t) => {
      const text = 'until [ -e /go ]; do echo waits; sleep 0.05; done; echo seen; exit 4';
      const id = await run(t, text, {});
      const session = await attach(t, id, false);
      assert.equal(session.stdin, undefined);
      const read = async () => {
        let output = '';
        for await (const chunk of session.stdout) {
          // Only now it is sure to get what comes: the streaming protocol does not tell when a client is attached.
          if (output === '') await t.service.execSync(id, ['touch', '/go']);
          output += String(chunk);
        }
        return output;
      };
      assert.match(await t.soon(read(), 'the end of the output'), /^(waits\n)+seen\n$/);
      assert.equal(await endOf(t, session), 'exit 4');
    },
  },
  'no-input': {
    title: 'input for a container that was made without is an error of kind failed-precondition',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      await t.rejects(t.service.attach(id, { stdin: true }), 'failed-precondition');
    },
  },
  'no-container': {
    title: 'there is nothing to attach to without a running container',
    run: async (t) => {
      await t.rejects(t.service.attach('0123456789abcdef'), 'not-found');
      const { id, sandboxId } = await t.runToEnd(exitWith(0));
      await t.rejects(t.service.attach(id), 'failed-precondition');
      const created = await t.service.createContainer(sandboxId, t.containerConfig({ command: exitWith(0) }));
      await t.rejects(t.service.attach(created), 'failed-precondition');
    },
  },
  'two-clients': {
    title: 'two clients at once see the same output, and both may write',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT);
      const clients = [await attach(t, id), await attach(t, id)] as const;
      const readers = clients.map((client) => reader(t, client.stdout));
      await attachedAll(clients[0], readers);
      for (const [index, client] of clients.entries()) {
        client.stdin?.write(`from ${index}\n`);
        const answer = `got from ${index}\n`;
        for (const says of readers) assert.equal((await says(answer)).replaceAll('got again\n', ''), answer);
      }
    },
  },
  'watcher-leaves': {
    title: 'with stdinOnce a client without input that goes does not end the input of the others',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT_ONCE);
      const watcher = await attach(t, id, false);
      const session = await attach(t, id);
      const says = reader(t, session.stdout);
      await watcher.detach();
      session.stdin?.write('still\n');
      assert.equal(await says('\n'), 'got still\n');
      session.stdin?.end();
      assert.equal(await says('end\n'), 'end\n');
    },
  },
  detach: {
    title: 'who detaches hears no more, and the container runs on',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT);
      const session = await attach(t, id);
      const output = t.readAll(session.stdout);
      await session.detach();
      assert.equal(await endOf(t, session), 'detached');
      assert.equal(await output, '');
      assert.equal((await t.service.containerStatus(id)).state, 'running');
      await session.detach();
    },
  },
  cancelled: {
    title: 'a client whose signal fires is detached',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT);
      const leaving = new AbortController();
      const session = await t.service.attach(id, { stdin: true, signal: leaving.signal });
      session.stdout.resume();
      leaving.abort();
      assert.equal(await endOf(t, session), 'detached');
      await t.rejects(t.service.attach(id, { signal: leaving.signal }), 'cancelled');
    },
  },
  stopped: {
    title: 'a container that is stopped ends its sessions with its exit code',
    run: async (t) => {
      const id = await run(t, "trap 'exit 9' TERM; echo ready; sleep 100000 & wait $!", INPUT);
      await t.says(id, 'ready');
      const session = await attach(t, id);
      session.stdout.resume();
      await t.service.stopContainer(id, { graceMs: 10_000 });
      assert.equal(await endOf(t, session), 'exit 9');
    },
  },
  terminal: {
    title:
      'a container with a terminal has one: stderr comes with stdout, its size can be set, its input edited',
    run: async (t) => {
      const id = await run(t, '[ -t 0 ] && [ -t 1 ] && read -r x && echo "$x" >&2; stty size', {
        ...INPUT,
        tty: true,
      });
      const session = await attach(t, id);
      assert.equal(session.stderr, undefined);
      await session.resize({ columns: 101, rows: 33 });
      const output = t.readAll(session.stdout);
      session.stdin?.write('typed\n');
      assert.match(await output, /typed\r\n33 101\r\n$/);
      assert.equal(await endOf(t, session), 'exit 0');
    },
  },
  'terminal-log': {
    title: 'the log of a container with a terminal has one stream, stdout',
    run: async (t) => {
      const { lines } = await t.runToEnd(script('echo out; echo err >&2'), { tty: true });
      assert.deepEqual(
        lines.map(({ stream, text }) => `${stream} ${text.trimEnd()}`),
        ['stdout out', 'stdout err'],
      );
    },
  },
  'no-terminal': {
    title:
      'without a terminal a size cannot be set: kind failed-precondition; a wrong size is an invalid-argument',
    run: async (t) => {
      const plain = await attach(t, await run(t, DIALOGUE, INPUT));
      await t.rejects(plain.resize({ columns: 80, rows: 24 }), 'failed-precondition');
      const terminal = await attach(t, await run(t, DIALOGUE, { ...INPUT, tty: true }));
      await t.rejects(terminal.resize({ columns: -1, rows: 24 }), 'invalid-argument');
    },
  },
  'end-of-input': {
    title: 'a container without stdin reads end of file at once',
    run: async (t) => {
      const { stdout } = await t.runToEnd(script('cat; echo end'));
      assert.deepEqual(stdout, ['end']);
    },
  },
  'slow-client': {
    title: 'a client that reads nothing for a while gets everything when it does',
    run: async (t) => {
      const id = await run(t, "read -r x; printf '%0500000d' 7; echo; exit 5", INPUT_ONCE);
      // The container itself may have ended by then, where what it writes is taken on the way.
      const bystander = await run(t, 'sleep 1000', {});
      const session = await attach(t, id);
      session.stdin?.end('\n');
      await t.service.execSync(bystander, ['sleep', '0.3']);
      assert.equal((await t.readAll(session.stdout)).length, 500_001);
      assert.equal(await endOf(t, session), 'exit 5');
    },
  },
  'slow-reader': {
    title: 'a slow client gets all of the output, also after the container has ended',
    run: async (t) => {
      const id = await run(t, `read -r x; printf '%0${MUCH_OUTPUT_BYTES}d' 7; exit 5`, INPUT_ONCE);
      const session = await attach(t, id);
      session.stdin?.end('\n');
      assert.equal(await readSlowly(t, session.stdout), MUCH_OUTPUT_BYTES);
      assert.equal(await endOf(t, session), 'exit 5');
    },
  },
  'agent-restarted': {
    title: 'another agent attaches to a container of the agent before it',
    run: async (t) => {
      const id = await run(t, DIALOGUE, INPUT_ONCE);
      await t.restartAgent();
      const session = await attach(t, id);
      const output = t.readAll(session.stdout);
      session.stdin?.end('again\n');
      assert.equal(await output, 'got again\nend\n');
      assert.equal(await endOf(t, session), 'exit 7');
    },
  },
  restarted: {
    title: 'a session is with one attempt: it ends with it, and the next one is attached to anew',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const id = await run(t, DIALOGUE, { ...INPUT_ONCE, restart: { by: 'backend', policy: 'Always' } });
      const session = await attach(t, id);
      session.stdout.resume();
      session.stdin?.end();
      assert.equal(await endOf(t, session), 'exit 7');
      const isNext = ({ state, attempts }: { state: string; attempts: readonly unknown[] }) =>
        state === 'running' && attempts.length === 2;
      await t.containerStatus(id, isNext, 'has started again');
      const next = await attach(t, id);
      const says = reader(t, next.stdout);
      next.stdin?.write('anew\n');
      assert.equal(await says('\n'), 'got anew\n');
    },
  },
});

export const attachCases: readonly ConformanceCase[] = cases.map((each) => ({
  ...each,
  needs: [...new Set([...each.needs, 'attach' as const])],
}));
