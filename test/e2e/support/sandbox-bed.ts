// Sandboxes on a real host, and what a test looks at of them.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Clock, Logger, type PortMapping, SystemClock, silentLogger } from '@podwright/core';
import { nsenterModule } from '@podwright/nsenter';
import {
  type SandboxConfig,
  SandboxManager,
  type SandboxModuleOptions,
  type SandboxRecord,
  sandboxModule,
} from '@podwright/sandbox';
import { Container } from 'inversify';
import { afterEach, beforeEach, expect, vi } from 'vitest';

export const BRIDGE = 'pwtest0';
const WAIT = { timeout: 20_000, interval: 100 };

export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What a sandbox changes on the host, and has to be as before when it is gone. */
export function hostState(): Readonly<Record<string, string>> {
  const withoutCounters = (text: string) => text.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');
  return {
    mounts: mountPoints('self').join('\n'),
    // Without what the kernel finds out on its own, a moment after a link is set up.
    links: run('ip', '-o', 'link').replace(/^\d+: |NO-CARRIER,|,LOWER_UP| state [A-Z]+/gm, ''),
    iptables: withoutCounters(run('iptables-save')),
    ip6tables: withoutCounters(run('ip6tables-save')),
    nftables: run('nft', 'list', 'tables'),
  };
}

export function mountPoints(pid: number | 'self'): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '');
}

export function sandboxConfig(name: string, changes: Partial<SandboxConfig> = {}): SandboxConfig {
  return {
    metadata: { name, namespace: 'test', uid: `${name}-${randomBytes(4).toString('hex')}`, attempt: 0 },
    labels: {},
    annotations: {},
    network: 'pod',
    ipc: 'pod',
    pid: 'container',
    portMappings: [],
    ...changes,
  };
}

export const tcp = (hostPort: number, hostIp?: string): PortMapping => ({
  protocol: 'TCP',
  containerPort: 80,
  hostPort,
  ...(hostIp === undefined ? {} : { hostIp }),
});

/** Words of a command inside a sandbox's namespaces. */
function enter({ namespaces }: SandboxRecord, ...command: string[]): readonly string[] {
  const { network, ipc, uts } = namespaces;
  return [`--net=${network}`, `--ipc=${ipc}`, `--uts=${uts}`, '--', ...command];
}

export const inside = (record: SandboxRecord, ...command: string[]) =>
  run('nsenter', ...enter(record, ...command));

/** What a server says. With its input at its end, socat waits half a second for the answer unless told otherwise. */
export const ask = (address: string, port: number) =>
  run('socat', '-T', '30', '-t', '30', '-', `TCP:${address}:${port},connect-timeout=30`);

/** What was logged, to be waited for. */
interface LogLine {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Directories and managers of one test; whatever the test makes has to be gone from the host at its end. */
export class SandboxBed {
  /** Made anew for every test. */
  root = '';
  /** Programs to be ended with the test. */
  readonly children: ChildProcess[] = [];
  readonly #errors: string[] = [];
  readonly #managers: SandboxManager[] = [];
  #lines: LogLine[] = [];
  #onLine: () => void = () => undefined;
  #before: Readonly<Record<string, string>> = {};

  /** Sets it up before each test of a file, and looks after each that nothing is left. */
  constructor() {
    beforeEach(() => {
      this.root = mkdtempSync('/run/podwright-sandbox-');
      mkdirSync(join(this.root, 'net.d'));
      this.#lines = [];
      this.#before = hostState();
    });
    afterEach(async ({ task }) => {
      await Promise.all(this.children.splice(0).map(end));
      const managers = this.#managers.splice(0);
      // One failed test is not to fail the others.
      if (task.result?.state === 'fail') await Promise.all(managers.map(removeAll));
      expect(this.#errors.splice(0)).toEqual([]);
      // The kernel takes what is left of a namespace away a moment after it is gone.
      const settled = vi.waitFor(() => expect(hostState()).toEqual(this.#before), WAIT);
      await settled.finally(() => rmSync(this.root, { recursive: true, force: true }));
    });
  }

  /** A manager as a new agent has it. What it could only log as an error fails the test. */
  newManager(options: Partial<SandboxModuleOptions> = {}): SandboxManager {
    const manager = this.newContainer(options).get(SandboxManager);
    this.#managers.push(manager);
    return manager;
  }

  /** What a new agent is made of. */
  newContainer(options: Partial<SandboxModuleOptions> = {}): Container {
    const container = new Container();
    const note = (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      this.#lines.push({ message, fields });
      this.#onLine();
    };
    container.bind(Logger).toConstantValue({
      ...silentLogger,
      info: note,
      warn: note,
      error: (message, fields) => this.#errors.push(`${message} ${JSON.stringify(fields)}`),
    });
    container.bind(Clock).toConstantValue(new SystemClock());
    container.load(
      nsenterModule({ mode: 'local' }),
      sandboxModule({
        stateDir: join(this.root, 'state'),
        runDir: join(this.root, 'run'),
        cniConfDir: join(this.root, 'net.d'),
        defaultBridge: BRIDGE,
        defaultSubnet: '10.92.0.0/16',
        defaultSubnet6: 'fd92::/64',
        ...options,
      }),
    );
    return container;
  }

  /** Waits for the first line logged in this test that reads so. */
  async logged(message: RegExp): Promise<LogLine> {
    for (;;) {
      const line = this.#lines.find((candidate) => message.test(candidate.message));
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  /** Writes a configuration of CNI. */
  configure(file: string, name: string, plugins: readonly object[]): string {
    const path = join(this.root, 'net.d', file);
    writeFileSync(path, JSON.stringify({ cniVersion: '1.0.0', name, plugins }));
    return path;
  }

  /** Answers every connection, or datagram, to port 80 inside with a text; resolves when it listens. */
  async serve(record: SandboxRecord, text: string, protocol: 'tcp' | 'udp' = 'tcp'): Promise<void> {
    const listen =
      protocol === 'tcp'
        ? ['TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0', `SYSTEM:echo ${text}`]
        : ['UDP6-RECVFROM:80,fork,ipv6only=0', `SYSTEM:read -r line; echo ${text}`];
    const server = spawn('nsenter', enter(record, 'socat', '-d', '-d', '-t', '30', ...listen), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.children.push(server);
    for await (const chunk of server.stderr) {
      if (/listening on|receiving on/.test(String(chunk))) break;
    }
  }
}

async function removeAll(manager: SandboxManager): Promise<void> {
  await Promise.allSettled(manager.list().map(({ id }) => manager.remove(id)));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
