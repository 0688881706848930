import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { collect, joinLines } from '../log-lines.js';
import { exitWith, printLines, script, sleepForever } from '../workloads.js';

const texts = (lines: readonly { readonly text: string }[]) => lines.map(({ text }) => text);

export const logCases = section('logs', {
  order: {
    title: 'lines come in order, each once, blank ones and blanks around them too',
    run: async (t) => {
      const wanted = ['one', '', '  two  ', '', '', '\ttab', 'end'];
      const { stdout } = await t.runToEnd(printLines(wanted));
      assert.deepEqual(stdout, wanted);
    },
  },
  many: {
    title: 'ten thousand lines written at once are all there, in order',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('seq 10000; exec sleep 100000'));
      // The end may be told before so many lines have been written down.
      await t.says(id, '10000');
      const lines = await t.lines(id);
      assert.equal(lines.length, 10_000);
      assert.deepEqual(
        lines.map(({ text }) => text),
        [...Array(10_000).keys()].map((index) => String(index + 1)),
      );
    },
  },
  streams: {
    title: 'stdout and stderr are told apart',
    run: async (t) => {
      const { stdout, stderr } = await t.runToEnd(script('echo out; echo err >&2; echo out2; echo err2 >&2'));
      assert.deepEqual(stdout, ['out', 'out2']);
      assert.deepEqual(stderr, ['err', 'err2']);
    },
  },
  bytes: {
    title: 'NUL bytes and what is no UTF-8 come byte for byte',
    run: async (t) => {
      const { lines } = await t.runToEnd(script("printf 'a\\0b\\377\\376c\\n'; printf '\\0\\n'"));
      assert.deepEqual(
        lines.map(({ bytes }) => [...bytes]),
        [[97, 0, 98, 255, 254, 99], [0]],
      );
    },
  },
  'long-line': {
    title: 'a line of 100,000 bytes comes whole, in parts that say so',
    run: async (t) => {
      const { lines } = await t.runToEnd(script("printf '%0100000d\\n' 7; echo next"));
      assert.equal(lines.length, 2);
      assert.equal(lines[0]?.text, '7'.padStart(100_000, '0'));
      assert.equal(lines[1]?.text, 'next');
    },
  },
  'no-line-feed': {
    title: 'a last line without a line feed is there',
    run: async (t) => {
      assert.deepEqual((await t.runToEnd(script("echo one; printf 'two'"))).stdout, ['one', 'two']);
    },
  },
  children: {
    title: 'lines of many short-lived children are all there',
    run: async (t) => {
      const { stdout } = await t.runToEnd(
        script('i=0; while [ $i -lt 50 ]; do sh -c "echo line $i"; i=$((i+1)); done'),
      );
      assert.deepEqual(
        stdout,
        [...Array(50).keys()].map((index) => `line ${index}`),
      );
    },
  },
  brief: {
    title: 'the output of containers that end at once is never lost',
    run: async (t) => {
      const sandboxes = await Promise.all([...Array(5).keys()].map(() => t.sandbox()));
      const numbers = [...Array(40).keys()];
      // Eight of each sandbox: a shim of containerd 1.6 stands still for most of a minute when 40 of its own end at once.
      const ids = await Promise.all(
        numbers.map((number) => t.start(sandboxes[number % 5] ?? '', ['echo', `line ${number}`])),
      );
      await Promise.all(ids.map((id) => t.ended(id)));
      const logs = await Promise.all(ids.map(async (id) => texts(await t.lines(id))));
      assert.deepEqual(
        logs,
        numbers.map((number) => [`line ${number}`]),
      );
    },
  },
  times: {
    title: 'timestamps are in microseconds of now, and do not go back',
    run: async (t) => {
      const before = Date.now() - 1000;
      const { id } = await t.runToEnd(printLines(['a', 'b', 'c']));
      const times = (await t.entries(id)).map(({ timestampUs }) => timestampUs);
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      assert.ok((times[0] ?? 0) >= before * 1000 && (times.at(-1) ?? 0) <= (Date.now() + 1000) * 1000);
    },
  },
  tail: {
    title: 'tail gives the last so many lines, none for 0, all for more than there are',
    run: async (t) => {
      const { id } = await t.runToEnd(printLines(['1', '2', '3', '4']));
      assert.deepEqual(texts(await t.lines(id, { tail: 2 })), ['3', '4']);
      assert.deepEqual(texts(await t.lines(id, { tail: 0 })), []);
      assert.deepEqual(texts(await t.lines(id, { tail: 99 })), ['1', '2', '3', '4']);
    },
  },
  since: {
    title: 'since and until cut by time, also together with tail',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      // A line comes after the one before was taken: on a busy host several are taken at once, and have one time.
      const after = (n: number) => `until [ -e /data/${n} ]; do sleep 0.02; done; sleep 0.05`;
      const command = script(`echo 1; ${after(1)}; echo 2; ${after(2)}; echo 3`);
      const id = await t.start(await t.sandbox(), command, { mounts });
      for (const line of ['1', '2']) {
        await t.says(id, line);
        await t.host.writeFile(`${directory}/${line}`, '');
      }
      await t.ended(id);
      const entries = await t.entries(id);
      const secondMs = (entries[1]?.timestampUs ?? 0) / 1000 - 20;
      const thirdMs = (entries[2]?.timestampUs ?? 0) / 1000 - 20;
      assert.deepEqual(texts(await t.lines(id, { sinceMs: secondMs })), ['2', '3']);
      assert.deepEqual(texts(await t.lines(id, { sinceMs: secondMs, untilMs: thirdMs })), ['2']);
      assert.deepEqual(texts(await t.lines(id, { untilMs: secondMs })), ['1']);
      assert.deepEqual(texts(await t.lines(id, { sinceMs: secondMs, tail: 1 })), ['3']);
      assert.deepEqual(texts(await t.lines(id, { sinceMs: Date.now() + 60_000 })), []);
    },
  },
  'limit-bytes': {
    title: 'limitBytes stops after so many bytes of lines, their line feeds counted as kubectl does',
    run: async (t) => {
      const { id } = await t.runToEnd(printLines(['12345', '67890', 'x']));
      const bytes = async (limitBytes: number) =>
        Buffer.concat((await t.entries(id, { limitBytes })).map(({ line }) => line)).toString();
      assert.equal(await bytes(5), '12345');
      assert.equal(await bytes(6), '12345');
      assert.equal(await bytes(8), '1234567');
      assert.equal(await bytes(100), '1234567890x');
    },
  },
  cursor: {
    title: 'a cursor goes on after its entry, with nothing twice and nothing left out',
    run: async (t) => {
      const { id } = await t.runToEnd(printLines(['1', '2', '3']));
      const entries = await t.entries(id);
      assert.equal(
        new Set(entries.map(({ cursor }) => cursor)).size,
        3,
        'every entry has a cursor of its own',
      );
      for (const [index, { cursor }] of entries.entries()) {
        const rest = await t.lines(id, { afterCursor: cursor });
        assert.deepEqual(texts(rest), ['1', '2', '3'].slice(index + 1));
      }
    },
  },
  snapshot: {
    title: 'without follow the log of a running container ends with what was written so far',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('echo first; sleep 100000'));
      await t.says(id, 'first');
      assert.deepEqual(texts(await t.lines(id)), ['first']);
    },
  },
  follow: {
    title: 'following gives what is there and what comes, and ends when the container has ended',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const command = script(
        'echo first; until [ -e /data/go ]; do sleep 0.02; done; echo second; echo third',
      );
      const id = await t.start(await t.sandbox(), command, { mounts });
      const following = collect(t.service.containerLogs(id, { follow: true }));
      await t.says(id, 'first');
      await t.host.writeFile(`${directory}/go`, '');
      const entries = await t.soon(following, 'the end of the log');
      assert.deepEqual(texts(joinLines(entries)), ['first', 'second', 'third']);
    },
  },
  'follow-tail': {
    title: 'following with tail begins with the last lines',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const command = script('echo 1; echo 2; echo 3; until [ -e /data/go ]; do sleep 0.02; done; echo 4');
      const id = await t.start(await t.sandbox(), command, { mounts });
      await t.says(id, '3');
      const following = collect(t.service.containerLogs(id, { follow: true, tail: 1 }));
      await t.line(t.service.containerLogs(id, { follow: true, tail: 1 }), '3');
      await t.host.writeFile(`${directory}/go`, '');
      const entries = await t.soon(following, 'the end of the log');
      assert.ok(
        ['3 4', '4'].includes(texts(joinLines(entries)).join(' ')),
        'only the last line before the new one',
      );
    },
  },
  'follow-aborted': {
    title: 'a follower that is cancelled ends with kind cancelled, and the container runs on',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('echo first; sleep 100000'));
      await t.says(id, 'first');
      const stop = new AbortController();
      const follow = async () => {
        for await (const _entry of t.service.containerLogs(id, { follow: true, signal: stop.signal }))
          stop.abort();
      };
      await t.rejects(follow(), 'cancelled');
      assert.equal((await t.service.containerStatus(id)).state, 'running');
    },
  },
  previous: {
    title: 'previous gives the attempt before; without it the log is that of the present attempt',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const command = script(
        'echo x >> /data/runs; n=$(wc -l < /data/runs); echo "run $n"; [ "$n" -lt 3 ] && exit 1; sleep 100000',
      );
      const id = await t.start(await t.sandbox(), command, {
        mounts,
        restart: { by: 'backend', policy: 'Always' },
      });
      await t.containerStatus(id, ({ attempts }) => attempts.length === 3, 'is in its third attempt');
      await t.says(id, 'run 3');
      assert.deepEqual(texts(await t.lines(id, { previous: true })), ['run 2']);
      assert.deepEqual(texts(await t.lines(id)), ['run 3']);
    },
  },
  'no-previous': {
    title: 'previous of a first attempt is an error of kind not-found',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      await t.rejects(t.entries(id, { previous: true }), 'not-found');
    },
  },
  unknown: {
    title: 'the log of a container that never was is an error of kind not-found',
    run: async (t) => void (await t.rejects(t.entries('0123456789abcdef'), 'not-found')),
  },
  kept: {
    title: 'logs stay when the container has ended and when its sandbox is stopped',
    run: async (t) => {
      const { id, sandboxId } = await t.runToEnd(script('echo last words; exit 7'));
      await t.service.stopPodSandbox(sandboxId);
      assert.deepEqual(texts(await t.lines(id)), ['last words']);
    },
  },
  separate: {
    title: "a container's log has no lines of another",
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const [a, b] = [
        await t.start(sandboxId, printLines(['a'])),
        await t.start(sandboxId, printLines(['b'])),
      ];
      await Promise.all([t.ended(a), t.ended(b)]);
      assert.deepEqual([texts(await t.lines(a)), texts(await t.lines(b))], [['a'], ['b']]);
      const silent = await t.start(sandboxId, exitWith(0));
      await t.ended(silent);
      assert.deepEqual(await t.lines(silent), []);
    },
  },
});
