import type { Socket } from 'node:net';
import { PodwrightError } from '@podwright/core';
import { execa } from 'execa';
import { nsenterCommand } from './nsenter-command.js';

/** What the helper is asked: a connection to a port of the first of these addresses that takes it. */
interface ConnectRequest {
  readonly id: number;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
}

/** Its answer, with the connected socket unless it failed at both addresses. */
export interface ConnectAnswer {
  readonly id: number;
  readonly failures?: readonly {
    readonly address: string;
    readonly code: string;
    readonly message: string;
  }[];
}

const LOOPBACK = ['127.0.0.1', '::1'];
/** For the loopback address a long time; a full accept queue would let it hang without one. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The helper is kept for the connections that often follow the first, in milliseconds. */
const IDLE_MS = 10_000;

/**
 * The helper's program. It connects and hands the socket over by SCM_RIGHTS, Node's own way between its processes: what
 * flows through a connection never passes it. A socket is paused before it is connected, so that no byte is read here.
 */
const PROGRAM = `
const net = require('node:net');
const MAY_BE_THE_OTHER = ['ECONNREFUSED', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'];
function connect({ id, port, timeoutMs }, [address, ...others], failures) {
  const socket = net.connect({ host: address, port, allowHalfOpen: true });
  socket.pause();
  const failed = (code, message) => {
    clearTimeout(timer);
    socket.destroy();
    const all = [...failures, { address, code, message }];
    if (others.length > 0 && MAY_BE_THE_OTHER.includes(code)) connect({ id, port, timeoutMs }, others, all);
    else process.send({ id, failures: all });
  };
  const timer = setTimeout(() => failed('ETIMEDOUT', 'no answer within ' + timeoutMs + ' ms'), timeoutMs);
  socket.once('error', (error) => failed(error.code ?? '', error.message));
  socket.once('connect', () => {
    clearTimeout(timer);
    process.send({ id }, socket);
  });
}
process.on('message', (request) => connect(request, request.addresses, []));
process.on('disconnect', () => process.exit(0));
process.send({ ready: true });
`;

interface Waiting {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (error: Error) => void;
}

/** A process in a network namespace that makes connections there for this process. */
export class ConnectHelper {
  readonly #child;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<void>;
  #said = '';
  #nextId = 0;
  #ended = false;
  #idle: NodeJS.Timeout | undefined;

  /**
   * @param netnsPath as this process reaches it
   * @param onEnd when it takes no more requests
   */
  constructor(
    private readonly netnsPath: string,
    private readonly onEnd: () => void,
  ) {
    const argv = [process.execPath, '--max-semi-space-size=1', '--eval', PROGRAM];
    const { command, args } = nsenterCommand({ namespaces: { net: netnsPath } }, argv);
    // Not a word of this process's own options: they may name a debugger's port or a loader.
    const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ELECTRON_RUN_AS_NODE: '1' };
    this.#child = execa(command, args, {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
      ipc: true,
      serialization: 'json',
      buffer: false,
      reject: false,
      detached: true,
      extendEnv: false,
      env,
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString('utf8');
    });
    let onReady: () => void = () => undefined;
    let onFailed: (error: Error) => void = () => undefined;
    this.#ready = new Promise((resolve, reject) => {
      onReady = resolve;
      onFailed = reject;
    });
    this.#ready.catch(() => undefined);
    this.#child.on('message', (message: unknown, socket: unknown) => {
      if (isReady(message)) onReady();
      else if (isAnswer(message)) this.#answered(message, socket);
    });
    void this.#child.then(({ code }) => {
      const error = this.#failure(code);
      onFailed(error);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      this.#over();
    });
    this.#hold();
  }

  /** @throws PodwrightError kind `unreachable`, and why the namespace cannot be entered */
  async connect(port: number, host?: string): Promise<Socket> {
    const id = this.#nextId++;
    const answer = new Promise<Socket>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    answer.catch(() => undefined);
    this.#hold();
    try {
      await this.#ready;
      const request: ConnectRequest = {
        id,
        port,
        addresses: host === undefined ? LOOPBACK : [host],
        timeoutMs: CONNECT_TIMEOUT_MS,
      };
      this.#child.send(request);
      return await answer;
    } finally {
      this.#waiting.delete(id);
      this.#hold();
    }
  }

  /** Ends it; connections that were made go on. */
  async end(): Promise<void> {
    this.#over();
    if (this.#child.connected) this.#child.disconnect();
    await this.#child;
  }

  #answered(answer: ConnectAnswer, socket: unknown): void {
    const waiting = this.#waiting.get(answer.id);
    const { failures } = answer;
    if (failures) waiting?.reject(unreachable(failures));
    else if (!isSocket(socket)) waiting?.reject(new PodwrightError('internal', 'The socket got lost.'));
    else if (waiting) waiting.resolve(socket);
    else socket.destroy();
  }

  /** Keeps this process alive only while something is asked, and the helper only a while longer. */
  #hold(): void {
    clearTimeout(this.#idle);
    if (this.#ended) return;
    if (this.#waiting.size > 0) {
      this.#child.ref();
      this.#child.channel?.ref();
      return;
    }
    this.#child.unref();
    this.#child.channel?.unref();
    this.#idle = setTimeout(() => void this.end(), IDLE_MS);
    this.#idle.unref();
  }

  #over(): void {
    clearTimeout(this.#idle);
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd();
  }

  #failure(code: string | undefined): PodwrightError {
    const { netnsPath } = this;
    const said = this.#said.trim();
    const details = { netnsPath, stderr: said };
    if (code === 'ENOENT') {
      return new PodwrightError(
        'missing-requirement',
        'Forwarding ports takes nsenter of util-linux, which was not found where this process runs: install it.',
        { details: { program: 'nsenter' } },
      );
    }
    if (/nsenter: (cannot open|reassociate to namespace)/.test(said)) {
      const kind = /not permitted|Permission denied/.test(said) ? 'permission-denied' : 'failed-precondition';
      return new PodwrightError(kind, `The network namespace ${netnsPath} cannot be entered: ${said}`, {
        details,
      });
    }
    return new PodwrightError(
      'command-failed',
      `The helper that connects in ${netnsPath} ended: ${said || 'it said nothing'}. It is this process's own program, ${process.execPath}, which has to be Node.`,
      { details },
    );
  }
}

function unreachable(failures: NonNullable<ConnectAnswer['failures']>): PodwrightError {
  const said = failures.map(({ address, message }) => `${address}: ${message}`).join('; ');
  return new PodwrightError('unreachable', said, { details: { failures } });
}

function isReady(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'ready' in message;
}

function isAnswer(message: unknown): message is ConnectAnswer {
  return typeof message === 'object' && message !== null && 'id' in message && typeof message.id === 'number';
}

function isSocket(value: unknown): value is Socket {
  return typeof value === 'object' && value !== null && 'setNoDelay' in value;
}
