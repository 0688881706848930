import assert from 'node:assert/strict';
import type { ContainerConfig } from '@podwright/core';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { exitWith, script, sleepForever } from '../workloads.js';

/** A line of a log file as the kubelet reads it (CRI, `ContainerConfig.log_path`). */
const LINE =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF]) (.*)$/s;

interface FileLine {
  readonly time: string;
  readonly stream: string;
  readonly tag: string;
  readonly text: string;
}

function parse(content: string): readonly FileLine[] {
  if (content === '') return [];
  assert.ok(content.endsWith('\n'), 'the file ends with a line feed');
  return content
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const [, time = '', stream = '', tag = '', text = ''] =
        LINE.exec(line) ?? assert.fail(`no line of a log file: ${JSON.stringify(line)}`);
      return { time, stream, tag, text };
    });
}

/** A path that is not there, nor is its directory. */
async function newLogPath(t: CaseContext): Promise<string> {
  return `${await t.host.makeDirectory()}/made/0.log`;
}

/** The lines of a log file as soon as they are as wanted; nobody tells when a file grows. */
async function fileLines(
  t: CaseContext,
  path: string,
  wanted: (lines: readonly FileLine[]) => boolean,
): Promise<readonly FileLine[]> {
  return await t.changing(async () => {
    const content = await t.host.readFile(path);
    if (content === undefined || !/(^|\n)$/.test(content)) return undefined;
    const lines = parse(content);
    return wanted(lines) ? lines : undefined;
  }, `lines in ${path}`);
}

/** Runs a command to its end. @returns what is in its log file */
async function logged(t: CaseContext, command: readonly string[], more: Partial<ContainerConfig> = {}) {
  const logPath = await newLogPath(t);
  const { id } = await t.runToEnd(command, { logPath, ...more });
  const content = (await t.host.readFile(logPath)) ?? assert.fail('the log file is there');
  return { id, logPath, lines: parse(content) };
}

const texts = (lines: readonly FileLine[]) => lines.map(({ text }) => text);

/** Writes 1, 2, 3 … until it is stopped. */
const COUNT = script('i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done');

/** The files that a kubelet reads the output of containers from. */
export const logFileCases = section('kubelet', {
  'log-file': {
    title:
      'a container writes its output to a file too, in the form that a kubelet reads, and the status names it',
    needs: ['logFiles'],
    run: async (t) => {
      const before = Date.now();
      const { id, logPath, lines } = await logged(t, script("echo one; echo; echo '  two '; echo bad >&2"));
      const of = (stream: string) => texts(lines.filter((line) => line.stream === stream));
      assert.deepEqual(of('stdout'), ['one', '', '  two ']);
      assert.deepEqual(of('stderr'), ['bad']);
      for (const { time, tag } of lines) {
        assert.equal(tag, 'F');
        assert.ok(Date.parse(time) >= before - 1000 && Date.parse(time) <= Date.now() + 1000, time);
      }
      assert.equal((await t.service.containerStatus(id)).logPath, logPath);
    },
  },
  'log-file-long-line': {
    title: 'in the file a line of 100,000 bytes comes in parts of at most 16 KiB, the last of which ends it',
    needs: ['logFiles'],
    run: async (t) => {
      const { lines } = await logged(t, script("printf '%0100000d\\n' 7; echo next"));
      const end = lines.findIndex(({ tag }) => tag === 'F');
      assert.ok(end > 0, 'the line is divided');
      const parts = texts(lines.slice(0, end + 1));
      assert.equal(parts.join(''), '7'.padStart(100_000, '0'));
      assert.ok(parts.every((part) => part.length <= 16_384));
      assert.deepEqual(
        lines.slice(end + 1).map(({ tag, text }) => [tag, text]),
        [['F', 'next']],
      );
    },
  },
  'log-file-beside': {
    title: 'what goes to the file is read through the runtime as well',
    needs: ['logFiles'],
    run: async (t) => {
      const { stdout } = await t.runToEnd(script('echo one; echo two'), { logPath: await newLogPath(t) });
      assert.deepEqual(stdout, ['one', 'two']);
    },
  },
  'log-file-terminal': {
    title: 'of a container with a terminal the file has one stream, stdout',
    needs: ['logFiles', 'attach'],
    run: async (t) => {
      const { lines } = await logged(t, script('echo out; echo err >&2'), { tty: true });
      assert.deepEqual([...new Set(lines.map(({ stream }) => stream))], ['stdout']);
      // A terminal writes a line and its end apart, so a line may come in parts.
      const content = lines.map(({ tag, text }) => (tag === 'F' ? `${text}\n` : text)).join('');
      assert.equal(content.replaceAll('\r', ''), 'out\nerr\n');
    },
  },
  'log-file-agent': {
    title: 'a container goes on writing its file while no agent lives, and after',
    needs: ['logFiles'],
    run: async (t) => {
      const logPath = await newLogPath(t);
      await t.start(await t.sandbox(), COUNT, { logPath });
      const { length } = await fileLines(t, logPath, (lines) => lines.length > 0);
      await t.restartAgent();
      const lines = await fileLines(t, logPath, (now) => now.length > length + 5);
      assert.deepEqual(
        texts(lines),
        lines.map((_, index) => String(index + 1)),
      );
    },
  },
  'log-file-attempts': {
    title: 'each attempt of a container that the backend restarts adds to the file',
    needs: ['logFiles', 'supervisedRestart'],
    run: async (t) => {
      const logPath = await newLogPath(t);
      const shared = await t.host.makeDirectory();
      await t.start(
        await t.sandbox(),
        script('echo x >> /shared/runs; echo "run $(wc -l < /shared/runs)"; exit 1'),
        {
          logPath,
          mounts: [{ hostPath: shared, containerPath: '/shared' }],
          restart: { by: 'backend', policy: 'OnFailure' },
        },
      );
      const lines = await fileLines(t, logPath, ({ length }) => length >= 2);
      assert.deepEqual(texts(lines).slice(0, 2), ['run 1', 'run 2']);
    },
  },
  'log-file-path': {
    title: 'a log file has to be named by an absolute path',
    needs: ['logFiles'],
    run: async (t) => {
      const sandboxId = await t.sandbox();
      for (const logPath of ['0.log', '', '/var/log/']) {
        const config = await t.readyConfig({ command: sleepForever(), logPath });
        await t.rejects(t.service.createContainer(sandboxId, config), 'invalid-argument');
      }
    },
  },
  reopen: {
    title: 'after a rename the output goes on in a new file of the old name, and no line is lost',
    needs: ['logFiles'],
    run: async (t) => {
      const logPath = await newLogPath(t);
      const id = await t.start(await t.sandbox(), COUNT, { logPath });
      for (const old of ['1', '2']) {
        await fileLines(t, logPath, ({ length }) => length > 3);
        await t.host.rename(logPath, `${logPath}.${old}`);
        await t.service.reopenContainerLog(id);
        // It is there when the call comes back.
        assert.notEqual(await t.host.readFile(logPath), undefined);
      }
      await fileLines(t, logPath, ({ length }) => length > 3);
      await t.service.stopContainer(id, { graceMs: 0 });
      const files = [`${logPath}.1`, `${logPath}.2`, logPath];
      const lines = (await Promise.all(files.map((path) => t.host.readFile(path)))).flatMap((content) =>
        texts(parse(content ?? '')),
      );
      assert.deepEqual(
        lines,
        lines.map((_, index) => String(index + 1)),
      );
    },
  },
  'reopen-same': {
    title: 'of a file that was not renamed, and by several calls at once, no line is lost',
    needs: ['logFiles'],
    run: async (t) => {
      const logPath = await newLogPath(t);
      const id = await t.start(await t.sandbox(), COUNT, { logPath });
      const { length } = await fileLines(t, logPath, (lines) => lines.length > 3);
      await Promise.all([1, 2, 3].map(() => t.service.reopenContainerLog(id)));
      const lines = await fileLines(t, logPath, (now) => now.length > length + 5);
      assert.deepEqual(
        texts(lines),
        lines.map((_, index) => String(index + 1)),
      );
    },
  },
  'reopen-refused': {
    title: 'a log is reopened only of a container that runs and has one',
    needs: ['logFiles'],
    run: async (t) => {
      await t.rejects(t.service.reopenContainerLog('no-such-container'), 'not-found');
      const sandboxId = await t.sandbox();
      const without = await t.start(sandboxId, sleepForever());
      await t.rejects(t.service.reopenContainerLog(without), 'failed-precondition');
      const logPath = await newLogPath(t);
      const config = await t.readyConfig({ command: exitWith(0), logPath });
      const id = await t.service.createContainer(sandboxId, config);
      await t.rejects(t.service.reopenContainerLog(id), 'failed-precondition');
      await t.service.startContainer(id);
      await t.ended(id);
      await t.rejects(t.service.reopenContainerLog(id), 'failed-precondition');
    },
  },
});
