import { Logger, PodwrightError, RuntimeService } from '@podwright/core';
import type { cri, RpcContext } from '@podwright/cri-api';
import {
  firstTerminalSize,
  StreamingServer,
  serveAttachSession,
  serveConnection,
  serveExecSession,
} from '@podwright/cri-streaming';
import { inject, injectable } from 'inversify';
import { invalid } from '../mapping/refusals.js';
import { EXEC_OUTPUT_LIMIT, fitOutput } from './exec-output.js';
import { IdFinder } from './id-finder.js';

/** The calls that enter a container or a sandbox. */
@injectable()
export class StreamingCalls {
  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(StreamingServer) private readonly streaming: StreamingServer,
    @inject(IdFinder) private readonly ids: IdFinder,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** A timeout of 0 is none. */
  async execSync({ containerId, cmd, timeout }: cri.ExecSyncRequest, { signal }: RpcContext) {
    const id = await this.runningContainer(containerId, signal);
    checkCommand(cmd, id);
    if (timeout < 0n)
      throw invalid(`The timeout of the command in container ${id} is ${timeout}: it cannot be negative.`);
    const result = await this.runtime.execSync(id, cmd, {
      ...(timeout === 0n ? {} : { timeoutMs: Number(timeout) * 1000 }),
      outputLimitBytes: EXEC_OUTPUT_LIMIT,
      signal,
    });
    const { stdout, stderr } = fitOutput(result, EXEC_OUTPUT_LIMIT);
    if (stdout.length + stderr.length < result.stdout.length + result.stderr.length) {
      this.logger.warn(`The output of ${cmd[0]} in container ${id} was cut to ${EXEC_OUTPUT_LIMIT} bytes`);
    }
    return { stdout, stderr, exitCode: result.exitCode };
  }

  async exec({ containerId, cmd, stdin, stdout, stderr, tty }: cri.ExecRequest, { signal }: RpcContext) {
    const id = await this.runningContainer(containerId, signal);
    checkCommand(cmd, id);
    const url = this.streaming.exec({
      ...{ stdin, stdout, stderr, tty },
      run: async (streams) => {
        const terminalSize = tty ? await firstTerminalSize(streams.resize) : undefined;
        const session = await this.runtime.exec(id, {
          ...{ command: cmd, stdin, tty, signal: streams.signal },
          ...(terminalSize && { terminalSize }),
        });
        return await serveExecSession(session, streams);
      },
    });
    return { url };
  }

  async attach({ containerId, stdin, stdout, stderr, tty }: cri.AttachRequest, { signal }: RpcContext) {
    const id = await this.runningContainer(containerId, signal);
    const url = this.streaming.attach({
      ...{ stdin, stdout, stderr, tty },
      run: async (streams) => {
        const session = await this.runtime.attach(id, { stdin, signal: streams.signal });
        await serveAttachSession(session, streams);
      },
    });
    return { url };
  }

  async portForward({ podSandboxId, port: ports }: cri.PortForwardRequest, { signal }: RpcContext) {
    const { id, state } = await this.ids.sandbox(podSandboxId, { signal });
    if (state !== 'ready') {
      throw new PodwrightError('failed-precondition', `Sandbox ${id} is stopped and has no network.`);
    }
    const url = this.streaming.portForward({
      ports,
      run: async (port, stream, dropped) => {
        const connection = await this.runtime.portForward(id, port, { signal: dropped });
        await serveConnection(connection, stream, dropped);
      },
    });
    return { url };
  }

  private async runningContainer(asked: string, signal: AbortSignal): Promise<string> {
    const { id, state } = await this.ids.container(asked, { signal });
    if (state === 'running') return id;
    throw new PodwrightError('failed-precondition', `Container ${id} does not run: it is ${state}.`, {
      details: { id, state },
    });
  }
}

function checkCommand(command: readonly string[], id: string): void {
  if (command.length === 0) throw invalid(`The command to run in container ${id} is empty.`);
}
