import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { authRegistry } from '../host/images.js';
import { filesWith } from './support/files.js';
import { hostPidOf, processes } from './support/processes.js';
import { RecordingLogger } from './support/recording-logger.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { backendId, containerOf, shell, testPod } from './support/test-pods.js';

/** In every value below, so that it can be looked for. */
const MARK = `hush-${randomBytes(8).toString('hex')}`;

const VALUES = {
  QUOTES: `${MARK} "double" 'single' \`back\` \\"escaped\\" \\`,
  PERCENT: `${MARK} 100% %n %i %% %s %`,
  DOLLAR: `${MARK} $HOME \${HOME} $ $(date) \${PATH:-x} $`,
  LINES: `\n${MARK}\nsecond\r\n\n\tthird\n`,
  UTF8: `${MARK} äöü € 漢字 🦭 e\u0301`,
  BLANKS: `  ${MARK}  `,
  SHELL: `${MARK}; touch /tmp/x & | > < * ? [a] ~ #!`,
  EQUALS: `${MARK}=a=b==`,
  LONG: `${MARK}${'x'.repeat(100_000)}`,
  EMPTY: '',
} as const;

const WAIT = { timeout: 30_000 };
const log = new RecordingLogger();
let agent: TestAgent;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder(), { modules: [log.module] });
  await pullBusybox(agent);
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

const env = Object.entries(VALUES).map(([name, value]) => ({ name, value }));

async function run(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, [...args], { maxBuffer: 1 << 28 });
  return stdout;
}

/** The variables of a process of the host. */
function parseEnviron(text: string): Readonly<Record<string, string>> {
  const pairs = text.split('\0').filter((each) => each !== '');
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

describe('environment values', () => {
  it('arrive byte for byte in the first process and in commands', async () => {
    const { uid } = await agent.runtime.runPod(
      testPod('env', [{ name: 'main', command: ['sleep', '100000'], env }]),
    );
    const main = containerOf(await agent.runtime.getPodStatus({ uid }), 'main');
    const pid = await hostPidOf(agent, main);
    expect(parseEnviron(await readFile(`/proc/${pid}/environ`, 'utf8'))).toMatchObject(VALUES);
    const { stdout } = await agent.runtime.runInContainer({ uid }, ['cat', '/proc/self/environ']);
    expect(parseEnviron(stdout.toString())).toMatchObject(VALUES);
  });

  it('also after the agent was replaced and the container was restarted by systemd', async () => {
    const script = 'if [ -e /state/again ]; then exec sleep 100000; fi; touch /state/again; exit 1';
    const { uid } = await agent.runtime.runPod(
      testPod(
        'env',
        [shell('main', script, { env, volumeMounts: [{ name: 'state', mountPath: '/state' }] })],
        {
          restartPolicy: 'OnFailure',
          volumes: [{ name: 'state', emptyDir: {} }],
        },
      ),
    );
    await agent[Symbol.asyncDispose]();
    agent = await startTestAgent(agent.folder, { modules: [log.module] });
    await expect
      .poll(async () => {
        const main = containerOf(await agent.runtime.getPodStatus({ uid }), 'main');
        if (main.restartCount !== 1 || main.state !== 'running') return undefined;
        return parseEnviron(await readFile(`/proc/${await hostPidOf(agent, main)}/environ`, 'utf8'));
      }, WAIT)
      .toMatchObject(VALUES);
  });

  it('are in no unit, no journal, no log of the agent, no command line and no file that others can read', async () => {
    const sinceMs = Date.now() - 1000;
    const since = `@${Math.floor(sinceMs / 1000)}`;
    log.lines.length = 0;
    const { uid } = await agent.runtime.runPod(
      testPod('env', [{ name: 'main', command: ['sleep', '100000'], env }], { hostNetwork: false }),
    );
    const main = containerOf(await agent.runtime.getPodStatus({ uid }), 'main');
    const session = await agent.runtime.execInContainer(
      { uid },
      { command: ['sh', '-c', 'echo runs; exec cat'], stdin: true },
    );
    // Until it has said something, its files may not be there yet.
    await once(session.stdout, 'data');
    const unit = `podwright-${backendId(main)}.service`;

    const units = [
      await run('systemctl', 'show', '--all', unit),
      await run('systemctl', 'cat', unit),
      await run('systemctl', 'show', '--all', 'podwright*.slice'),
      await run('busctl', 'introspect', '--full', '--no-pager', ...(await busPath(unit))),
    ];
    for (const text of units) expect(text).not.toContain(MARK);
    expect(units[0]).toContain(unit);
    expect((await processes(({ command }) => command.includes(MARK))).map(({ command }) => command)).toEqual(
      [],
    );

    // Of the files that hold it, each is its owner's only, and lies in a directory that is too.
    const state = await filesWith(agent.layout.stateDir, MARK);
    const runtime = await filesWith(agent.layout.runDir, MARK);
    expect(state.length).toBeGreaterThan(0);
    expect([...state, ...runtime].filter(({ mode }) => (mode & 0o077) !== 0)).toEqual([]);
    for (const directory of [agent.layout.stateDir, agent.layout.runDir]) {
      expect((await stat(directory)).mode & 0o077).toBe(0);
    }
    for (const elsewhere of ['/run/systemd', '/tmp', '/run/user', '/run/crun', '/run/runc', '/var/lib/cni']) {
      const found = await filesWith(elsewhere, MARK, sinceMs).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return [];
      });
      expect(found).toEqual([]);
    }

    session.stdin?.end();
    await session.exitCode;
    await agent.runtime.killPod({ uid }, { graceMs: 0 });
    expect(await run('journalctl', '-o', 'export', '--since', since, '--all')).not.toContain(MARK);
    expect(log.lines.length).toBeGreaterThan(5);
    expect(log.lines.filter((line) => line.includes(MARK))).toEqual([]);
    await agent.runtime.removePod({ uid });
    expect(await filesWith(agent.folder, MARK)).toEqual([]);
  });
});

describe('the password of a registry', () => {
  it('is in no log, no journal, and no file once the image is there', async () => {
    const since = `@${Math.floor(Date.now() / 1000) - 1}`;
    log.lines.length = 0;
    const { username, password, busybox } = authRegistry;
    await agent.runtime.ensureImage(busybox, 'Always', { auth: { username, password } });
    const encoded = Buffer.from(`${username}:${password}`).toString('base64');
    expect(log.lines.some((line) => line.includes('skopeo'))).toBe(true);
    const journal = await run('journalctl', '-o', 'export', '--since', since, '--all');
    for (const secret of [password, encoded]) {
      expect(log.lines.filter((line) => line.includes(secret))).toEqual([]);
      expect(journal).not.toContain(secret);
      expect(await filesWith(agent.folder, secret)).toEqual([]);
    }
  });
});

/** Where systemd's D-Bus interface has a unit. */
async function busPath(unit: string): Promise<[string, string]> {
  const answer = await run(
    'busctl',
    ...['call', 'org.freedesktop.systemd1', '/org/freedesktop/systemd1'],
    ...['org.freedesktop.systemd1.Manager', 'GetUnit', 's', unit],
  );
  return ['org.freedesktop.systemd1', /"(.*)"/.exec(answer)?.[1] ?? ''];
}
