import type { Duplex, PassThrough } from 'node:stream';
import {
  type AttachEnd,
  type AttachOptions,
  type AttachSession,
  type CallOptions,
  Clock,
  type ContainerStatus,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  Logger,
  PodwrightError,
  type PortForwardOptions,
  type TerminalSize,
  throwIfAborted,
  unsupportedField,
} from '@podwright/core';
import { type RemoteCommand, remoteExec, remotePortForward } from '@podwright/cri-streaming';
import { inject, injectable } from 'inversify';
import { connectTo } from './connect-to.js';
import { ContainerStates } from './container-states.js';
import { CriConnection } from './cri-connection.js';
import { toSeconds } from './cri-numbers.js';
import { CriSandboxes } from './cri-sandboxes.js';
import { givenInFull, sessionInput, sessionOutput } from './session-streams.js';
import { unsupportedFields } from './unsupported-fields.js';

/** The default of `ExecSyncOptions.outputLimitBytes`, and of runtimes. */
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;
/** Beyond the time of a command, for the answer. */
const EXEC_MARGIN_MS = 2_000;
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1']);
/** How long after the end of an attachment its container's end is looked for, and how often, in milliseconds. */
const EXIT_PATIENCE_MS = 10_000;
const EXIT_LOOK_MS = 25;
const LARGEST_SIZE = 65_535;

/** Commands, attached clients and forwarded ports; with streams over the URLs that the runtime gives. */
@injectable()
export class CriStreams {
  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(CriSandboxes) private readonly sandboxes: CriSandboxes,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** A time that is no whole number of seconds is rounded up: the CRI counts in seconds. */
  async execSync(
    id: string,
    command: readonly string[],
    { timeoutMs, outputLimitBytes = OUTPUT_LIMIT_BYTES, signal }: ExecSyncOptions,
  ): Promise<ExecSyncResult> {
    const { metadata } = await this.running(id, { ...(signal ? { signal } : {}) });
    const { stdout, stderr, exitCode } = await this.connection.call(
      `The command ${JSON.stringify(command[0])} in container "${metadata.name}" did not run`,
      ({ runtime }, call) =>
        runtime.execSync(
          {
            containerId: id,
            cmd: [...command],
            timeout: timeoutMs === undefined ? 0n : toSeconds(timeoutMs),
          },
          timeoutMs === undefined ? (call.signal ? { signal: call.signal } : {}) : call,
        ),
      {
        ...(signal ? { signal } : {}),
        kind: 'exec',
        ...(timeoutMs === undefined ? {} : { timeoutMs: timeoutMs + EXEC_MARGIN_MS }),
      },
    );
    return {
      stdout: this.cut(stdout, outputLimitBytes, id),
      stderr: this.cut(stderr, outputLimitBytes, id),
      exitCode,
    };
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    const { command, stdin = false, tty = false, terminalSize, signal } = options;
    const call = signal ? { signal } : {};
    const { metadata } = await this.running(id, call);
    const what = `The command ${JSON.stringify(command[0])} in container "${metadata.name}" did not run`;
    const { url } = await this.connection.call(
      what,
      ({ runtime }, rpc) =>
        runtime.exec({ containerId: id, cmd: [...command], stdin, stdout: true, stderr: !tty, tty }, rpc),
      { ...call, kind: 'exec' },
    );
    const remote = await remoteExec(url, { stdin, stdout: true, stderr: !tty, tty, ...call });
    let closed = false;
    if (tty && terminalSize) await resize(remote, tty, terminalSize);
    const outputs = outputsOf(remote, () => closed);
    const exitCode = exitCodeOf(remote, outputs, what);
    exitCode.catch(() => undefined);
    return {
      ...(remote.stdin ? { stdin: remote.stdin } : {}),
      ...outputs,
      exitCode,
      resize: (size) => resize(remote, tty, size),
      kill: async () => {
        closed = true;
        await remote.close();
        throw unsupportedField(
          unsupportedFields.killCommand,
          'The connection to the command was closed, and the command may run on: the CRI cannot end it. Give it a time ' +
            'limit with execSync, or stop its container.',
        );
      },
    };
  }

  async attach(id: string, { stdin = false, signal }: AttachOptions): Promise<AttachSession> {
    const call = signal ? { signal } : {};
    const { metadata } = await this.running(id, call);
    const { config } = await this.states.record(id);
    const { tty = false } = config;
    if (stdin && config.stdin !== true) {
      throw new PodwrightError(
        'failed-precondition',
        `Container "${metadata.name}" was made without standard input: nothing can be written to it.`,
      );
    }
    const { url } = await this.connection.call(
      `Container "${metadata.name}" cannot be attached to`,
      ({ runtime }, rpc) => runtime.attach({ containerId: id, stdin, stdout: true, stderr: !tty, tty }, rpc),
      call,
    );
    const remote = await remoteExec(url, { stdin, stdout: true, stderr: !tty, tty });
    let left = false;
    const detach = async () => {
      left = true;
      await remote.close();
    };
    const onAbort = () => void detach();
    signal?.addEventListener('abort', onAbort, { once: true });
    const outputs = outputsOf(remote, () => left);
    const ended = this.endOf(id, remote, outputs, () => left).finally(() =>
      signal?.removeEventListener('abort', onAbort),
    );
    ended.catch(() => undefined);
    return {
      ...(remote.stdin ? { stdin: sessionInput(remote.stdin, config.stdinOnce === true) } : {}),
      ...outputs,
      ended,
      resize: (size) => resize(remote, tty, size),
      detach,
    };
  }

  async portForward(sandboxId: string, port: number, { host, signal }: PortForwardOptions): Promise<Duplex> {
    const call = signal ? { signal } : {};
    const { state, ips } = await this.sandboxes.status(sandboxId, call);
    if (state !== 'ready') {
      throw new PodwrightError(
        'failed-precondition',
        `Port ${port} cannot be forwarded: the sandbox ${sandboxId} is not ready.`,
      );
    }
    if (host !== undefined && ips.includes(host)) return await connectTo(host, port, signal);
    if (host !== undefined && !LOOPBACK.has(host)) {
      throw unsupportedField(
        unsupportedFields.forwardHost,
        `Port ${port} of ${host} cannot be forwarded: through the CRI only a pod's loopback address can be reached, and ` +
          'from the host its own.',
      );
    }
    const { url } = await this.connection.call(
      `Port ${port} of sandbox ${sandboxId} was not forwarded`,
      ({ runtime }, rpc) => runtime.portForward({ podSandboxId: sandboxId, port: [port] }, rpc),
      call,
    );
    return await remotePortForward(url, port, call);
  }

  /** An attachment ends without a code: it is the container's, should it have ended. */
  private async endOf(
    id: string,
    remote: RemoteCommand,
    outputs: SessionOutputs,
    left: () => boolean,
  ): Promise<AttachEnd> {
    const failure: unknown = await remote.exitCode.then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!left()) await allGiven(outputs);
    // The streams end a moment before the runtime says that the container has.
    for (const end = this.clock.nowMs() + EXIT_PATIENCE_MS; !left(); ) {
      const exitCode = await this.states.exitCode(id);
      if (exitCode !== undefined) return { type: 'exited', exitCode };
      if (this.clock.nowMs() > end) break;
      await this.clock.sleep(EXIT_LOOK_MS);
    }
    if (failure !== undefined && !left()) throw failure;
    return { type: 'detached' };
  }

  private async running(id: string, options: CallOptions): Promise<ContainerStatus> {
    throwIfAborted(options.signal);
    const status = await this.states.statusOf(id, options);
    if (status.state === 'running') return status;
    throw new PodwrightError(
      'failed-precondition',
      `Container "${status.metadata.name}" does not run (it is ${status.state}).`,
      { details: { id, state: status.state } },
    );
  }

  private cut(output: Uint8Array, limitBytes: number, id: string): Buffer {
    const whole = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
    if (whole.length <= limitBytes) return whole;
    this.logger.warn(
      `of what a command in container ${id} printed, ${whole.length - limitBytes} bytes were dropped`,
    );
    return whole.subarray(0, limitBytes);
  }
}

async function resize(remote: RemoteCommand, tty: boolean, size: TerminalSize): Promise<void> {
  for (const value of [size.columns, size.rows]) {
    if (Number.isInteger(value) && value >= 0 && value <= LARGEST_SIZE) continue;
    throw new PodwrightError(
      'invalid-argument',
      `${size.columns} by ${size.rows} is no size of a terminal: both are whole numbers up to ${LARGEST_SIZE}.`,
    );
  }
  if (!tty) {
    throw new PodwrightError('failed-precondition', 'It has no terminal whose size could be set.');
  }
  await remote.resize(size);
}

interface SessionOutputs {
  readonly stdout: PassThrough;
  readonly stderr?: PassThrough;
}

function outputsOf({ stdout, stderr }: RemoteCommand, isLeft: () => boolean): SessionOutputs {
  if (!stdout) throw new PodwrightError('internal', 'There is no output, which was asked for.');
  return {
    stdout: sessionOutput(stdout, isLeft),
    ...(stderr ? { stderr: sessionOutput(stderr, isLeft) } : {}),
  };
}

async function allGiven({ stdout, stderr }: SessionOutputs): Promise<void> {
  await Promise.all([givenInFull(stdout), ...(stderr ? [givenInFull(stderr)] : [])]);
}

/** @param what the command in words when it cannot be executed */
async function exitCodeOf(remote: RemoteCommand, outputs: SessionOutputs, what: string): Promise<number> {
  try {
    const exitCode = await remote.exitCode;
    await allGiven(outputs);
    return exitCode;
  } catch (error) {
    if (!PodwrightError.is(error, 'command-failed')) throw error;
    throw new PodwrightError('command-failed', `${what}: ${error.message}`, { cause: error });
  }
}
