import {
  Clock,
  type Container,
  messageOf,
  PodwrightError,
  RuntimeService,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { checkGrpcHealth } from './grpc-health.js';
import { PodDialer, portNumber } from './pod-dialer.js';
import { PodHttp } from './pod-http.js';

export type Probe = NonNullable<Container['livenessProbe']> | NonNullable<Container['readinessProbe']>;

/** What a probe asks. */
export interface ProbeSubject {
  readonly container: Container;
  /** Of the backend. */
  readonly containerId: string;
  readonly sandboxId: string;
}

/** `error`: it could not be asked, which says nothing about the container. */
export interface ProbeAnswer {
  readonly outcome: 'success' | 'failure' | 'error';
  /** Why, for people. */
  readonly message: string;
}

/** Of what a command says that goes into a message, in characters. */
const SAID = 1024;

/** Asks once, as the kubelet's probers do (pkg/probe). */
@injectable()
export class ProbeRunner {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodDialer) private readonly dialer: PodDialer,
    @inject(PodHttp) private readonly http: PodHttp,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** @throws PodwrightError kind `cancelled` */
  async run(probe: Probe, subject: ProbeSubject, signal: AbortSignal): Promise<ProbeAnswer> {
    const timeoutMs = probe.timeoutSeconds * 1000;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const late = this.clock.sleep(timeoutMs, either).then(
      () => failure(`it took longer than its timeout of ${probe.timeoutSeconds} s`),
      // Cancelled with the probe, whose own answer counts.
      () => new Promise<never>(() => undefined),
    );
    const asked = this.ask(probe, subject, timeoutMs, either).catch((error: unknown) => errorAnswer(error));
    try {
      const answer = await Promise.race([asked, late]);
      throwIfAborted(signal);
      return answer;
    } finally {
      over.abort();
    }
  }

  private async ask(
    { exec, httpGet, tcpSocket, grpc }: Probe,
    subject: ProbeSubject,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ProbeAnswer> {
    if (exec) return this.askCommand(exec.command, subject, timeoutMs, signal);
    const { container, sandboxId } = subject;
    if (httpGet) {
      const { statusCode, body } = await this.http
        .get(container, sandboxId, httpGet, signal)
        .catch(failUnlessOwn);
      const isFine = statusCode >= 200 && statusCode < 400;
      return isFine ? success(body) : failure(`HTTP status code ${statusCode}`);
    }
    const { host, port } = tcpSocket ?? { host: undefined, port: grpc?.port ?? 0 };
    const address = { sandboxId, host, port: portNumber(container, port) };
    const connection = await this.dialer.connect(address, signal).catch(failUnlessOwn);
    if (!grpc) {
      connection.destroy();
      return success('');
    }
    const authority = `${await this.dialer.hostOf(address, signal)}:${address.port}`;
    const health = await checkGrpcHealth(connection, authority, grpc.service, signal).catch(failUnlessOwn);
    if (health.grpcStatus !== 0) {
      return failure(`gRPC status ${health.grpcStatus} ${health.grpcMessage}`.trim());
    }
    return health.serving === 'SERVING' ? success('') : failure(`the service is ${health.serving}`);
  }

  private async askCommand(
    command: readonly string[],
    { containerId }: ProbeSubject,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ProbeAnswer> {
    try {
      const options = { timeoutMs, signal, outputLimitBytes: 10 * 1024 };
      const { exitCode, stdout, stderr } = await this.service.execSync(containerId, command, options);
      const said = `${stdout}${stderr}`.trim().slice(0, SAID);
      return exitCode === 0
        ? success(said)
        : failure(`exit code ${exitCode}${said === '' ? '' : `: ${said}`}`);
    } catch (error) {
      if (PodwrightError.is(error, 'timeout')) return failure(messageOf(error));
      throw error;
    }
  }
}

/** The other side does not answer as it should. */
class Failed extends Error {}

/** A manifest that is wrong, or a pod that is gone, says nothing about the server. */
function failUnlessOwn(error: unknown): never {
  if (PodwrightError.is(error) && error.kind !== 'unreachable') throw error;
  throw new Failed(messageOf(error), { cause: error });
}

function errorAnswer(error: unknown): ProbeAnswer {
  return error instanceof Failed ? failure(error.message) : { outcome: 'error', message: messageOf(error) };
}

function success(message: string): ProbeAnswer {
  return { outcome: 'success', message };
}

function failure(message: string): ProbeAnswer {
  return { outcome: 'failure', message };
}
