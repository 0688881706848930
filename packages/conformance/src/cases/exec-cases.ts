import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { MUCH_OUTPUT_BYTES, readSlowly } from '../slow-reader.js';
import { exitWith, script, sleepForever } from '../workloads.js';

export const execCases = section('exec', {
  output: {
    title: 'a command gives its stdout, its stderr and its exit code',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const result = await t.service.execSync(id, script('echo out; echo err >&2; exit 5'));
      assert.equal(result.stdout.toString(), 'out\n');
      assert.equal(result.stderr.toString(), 'err\n');
      assert.equal(result.exitCode, 5);
    },
  },
  'output-whole': {
    title: 'the output of a command that ends at once is whole, byte for byte',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const { stdout } = await t.service.execSync(id, script("printf '%0200000d' 7; printf 'a\\0b\\377'"));
      assert.equal(stdout.length, 200_004);
      assert.deepEqual([...stdout.subarray(-4)], [97, 0, 98, 255]);
    },
  },
  'output-limit': {
    title: 'what a command prints over the limit is dropped, and the command still ends by itself',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const result = await t.service.execSync(id, script("printf '%0300000d' 7; exit 4"), {
        outputLimitBytes: 1000,
      });
      assert.equal(result.stdout.length, 1000);
      assert.equal(result.exitCode, 4);
    },
  },
  surroundings: {
    title: "a command has the container's environment, working directory, user and files",
    run: async (t) => {
      const env = [{ name: 'X', value: 'a "b" $HOME\n%n' }];
      const more = { image: t.images.nonroot, env, workingDir: '/tmp' };
      const id = await t.start(
        await t.sandbox(),
        script('echo here > /tmp/file; echo ready; sleep 100000'),
        more,
      );
      await t.says(id, 'ready');
      const { stdout } = await t.service.execSync(
        id,
        script('printf "%s|" "$X"; pwd; id -u; id -G; cat file'),
      );
      const [value, rest = ''] = stdout.toString().split('|');
      assert.equal(value, env[0]?.value);
      const [cwd, uid, groups = '', file] = rest.split('\n');
      assert.deepEqual([cwd, uid, file], ['/tmp', '1000', 'here']);
      assert.deepEqual(groups.split(' ').sort(), ['1000', '1500', '29']);
    },
  },
  'own-process': {
    title: 'a command is a process of its own beside the first one',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const { stdout } = await t.service.execSync(id, script('echo $$'));
      assert.ok(Number(stdout.toString()) > 1);
    },
  },
  'not-in-log': {
    title: "what a command prints is not in the container's log",
    run: async (t) => {
      const id = await t.start(await t.sandbox(), script('echo mine; sleep 100000'));
      await t.says(id, 'mine');
      await t.service.execSync(id, ['echo', 'other']);
      assert.deepEqual(
        (await t.lines(id)).map(({ text }) => text),
        ['mine'],
      );
    },
  },
  signals: {
    title: 'a command that a signal ends tells 128 + its number',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      assert.equal((await t.service.execSync(id, script('kill -TERM $$; sleep 5'))).exitCode, 143);
      assert.equal((await t.service.execSync(id, script('kill -KILL $$; sleep 5'))).exitCode, 137);
    },
  },
  timeout: {
    title: 'a command that takes longer than its time is killed with its children, with kind timeout',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const mounts = [{ hostPath: directory, containerPath: '/data' }];
      const id = await t.start(await t.sandbox(), sleepForever(), { mounts });
      const command = script('(while :; do echo x >> /data/alive; sleep 0.05; done) & sleep 100000');
      const size = async () => (await t.host.readFile(`${directory}/alive`))?.length ?? 0;
      // So long that the child has run, on a busy host too.
      for (let timeoutMs = 300; (await size()) === 0; timeoutMs *= 3) {
        assert.ok(timeoutMs < t.patienceMs, 'the child ran');
        await t.rejects(t.service.execSync(id, command, { timeoutMs }), 'timeout');
      }
      const before = await size();
      // Nothing tells that a process did not write: three of its periods have to pass.
      await t.service.execSync(id, ['sleep', '0.15']);
      assert.equal(await size(), before, 'the child is dead');
      assert.equal((await t.service.containerStatus(id)).state, 'running');
    },
  },
  'no-such-program': {
    title: 'a command that is not there is an error of kind command-failed that names it',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const error = await t.rejects(t.service.execSync(id, ['/no/such-program']), 'command-failed');
      assert.match(error.message, /such-program/);
    },
  },
  'not-running': {
    title: 'a command in a container that does not run is an error of kind failed-precondition',
    run: async (t) => {
      const { id, sandboxId } = await t.runToEnd(exitWith(0));
      await t.rejects(t.service.execSync(id, ['true']), 'failed-precondition');
      await t.rejects(t.service.exec(id, { command: ['true'] }), 'failed-precondition');
      const created = await t.service.createContainer(sandboxId, t.containerConfig({ command: exitWith(0) }));
      await t.rejects(t.service.execSync(created, ['true']), 'failed-precondition');
      await t.rejects(t.service.execSync('0123456789abcdef', ['true']), 'not-found');
      await t.rejects(t.service.exec('0123456789abcdef', { command: ['true'] }), 'not-found');
    },
  },
  'half-close': {
    title: 'ending the input is end of file for the command, whose output still comes',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const session = await t.service.exec(id, { command: script('cat; echo end; exit 6'), stdin: true });
      session.stdin?.end('hello\n');
      assert.equal(await t.readAll(session.stdout), 'hello\nend\n');
      assert.equal(await t.soon(session.exitCode, 'the exit code'), 6);
    },
  },
  dialogue: {
    title: 'input and output flow while the command runs',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const command = script('while read line; do echo "got $line"; done');
      const session = await t.service.exec(id, { command, stdin: true });
      const output = session.stdout[Symbol.asyncIterator]();
      for (const word of ['one', 'two']) {
        session.stdin?.write(`${word}\n`);
        const { value } = await t.soon(output.next(), 'an answer');
        assert.equal(String(value), `got ${word}\n`);
      }
      session.stdin?.end();
      assert.equal(await t.soon(session.exitCode, 'the exit code'), 0);
    },
  },
  'no-input': {
    title: 'without asking for input a command reads end of file at once',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const session = await t.service.exec(id, { command: script('cat; echo end') });
      assert.equal(session.stdin, undefined);
      assert.equal(await t.readAll(session.stdout), 'end\n');
    },
  },
  streams: {
    title: 'stdout and stderr of a session are apart',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const session = await t.service.exec(id, { command: script('echo out; echo err >&2') });
      const [out, err] = await Promise.all([t.readAll(session.stdout), t.readAll(session.stderr)]);
      assert.deepEqual([out, err], ['out\n', 'err\n']);
    },
  },
  'slow-reader': {
    title: 'a slow reader gets all of the output, also after the command has ended',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const command = script(`printf '%0${MUCH_OUTPUT_BYTES}d' 7; exit 5`);
      const session = await t.service.exec(id, { command });
      session.stderr?.resume();
      assert.equal(await readSlowly(t, session.stdout), MUCH_OUTPUT_BYTES);
      assert.equal(await t.soon(session.exitCode, 'the exit code'), 5);
    },
  },
  terminal: {
    title: 'with a terminal the command has one, of the size asked for; stderr comes with stdout',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const session = await t.service.exec(id, {
        command: script('[ -t 0 ] && [ -t 1 ] && echo terminal; stty size; echo err >&2'),
        stdin: true,
        tty: true,
        terminalSize: { columns: 101, rows: 33 },
      });
      const output = await t.readAll(session.stdout);
      assert.equal(session.stderr, undefined);
      assert.match(output, /terminal\r\n33 101\r\nerr\r\n/);
      assert.equal(await t.soon(session.exitCode, 'the exit code'), 0);
    },
  },
  resize: {
    title: 'the terminal can be resized while the command runs',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const session = await t.service.exec(id, {
        command: script('read x; stty size'),
        stdin: true,
        tty: true,
        terminalSize: { columns: 80, rows: 24 },
      });
      await session.resize({ columns: 120, rows: 40 });
      session.stdin?.write('\n');
      assert.match(await t.readAll(session.stdout), /40 120/);
    },
  },
  'resize-refused': {
    title:
      'a size that no terminal has is an invalid-argument, one for a command without terminal a failed-precondition',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const command = script('read -r x');
      const size = { columns: 80, rows: 24 };
      const terminal = await t.service.exec(id, { command, stdin: true, tty: true, terminalSize: size });
      await t.rejects(terminal.resize({ columns: 80, rows: 70_000 }), 'invalid-argument');
      const plain = await t.service.exec(id, { command, stdin: true });
      await t.rejects(plain.resize(size), 'failed-precondition');
      for (const session of [terminal, plain]) {
        session.stdout.resume();
        session.stderr?.resume();
        session.stdin?.end('\n');
        await t.soon(session.exitCode, 'the exit code');
      }
    },
  },
  kill: {
    title: 'killing a session ends its command, and the container runs on',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const session = await t.service.exec(id, { command: script('sleep 100000 & sleep 100000') });
      session.stdout.resume();
      await session.kill();
      assert.equal(await t.soon(session.exitCode, 'the exit code'), 137);
      assert.equal((await t.service.containerStatus(id)).state, 'running');
    },
  },
  'at-once': {
    title: 'many commands at once each give their own output and code',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const numbers = [...Array(10).keys()];
      const results = await Promise.all(
        numbers.map((n) => t.service.execSync(id, script(`echo ${n}; exit ${n}`))),
      );
      assert.deepEqual(
        results.map(({ stdout }) => stdout.toString()),
        numbers.map((n) => `${n}\n`),
      );
      assert.deepEqual(
        results.map(({ exitCode }) => exitCode),
        numbers,
      );
    },
  },
  cancelled: {
    title: 'a command whose caller cancels is killed, with kind cancelled',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), sleepForever());
      const running = t.service.execSync(id, ['sleep', '100000'], { signal: AbortSignal.timeout(200) });
      await t.rejects(running, 'cancelled');
    },
  },
});
