import { z } from 'zod';
import { exactlyOne, LARGEST_INT32, plainText, port, portOrName, text } from './schema-parts.js';

const exec = z.strictObject({ command: z.array(plainText).min(1) });

const httpGet = z.strictObject({
  path: plainText.default('/').transform((path) => path || '/'),
  port: portOrName,
  /** Default: the pod's IP. */
  host: plainText.exactOptional(),
  scheme: z.enum(['HTTP', 'HTTPS']).default('HTTP'),
  httpHeaders: z
    .array(
      z.strictObject({
        name: text((name) =>
          /^[-A-Za-z0-9]+$/.test(name) ? undefined : 'has to consist of letters, digits and "-"',
        ),
        value: plainText.default(''),
      }),
    )
    .default([]),
});

const tcpSocket = z.strictObject({ port: portOrName, host: plainText.exactOptional() });

const grpc = z.strictObject({
  port,
  /** Asked for by its name in gRPC's health protocol; empty: the whole server. */
  service: plainText.default(''),
});

/** 0 is Kubernetes' way to write "the default". */
function count(standard: number) {
  return z
    .int()
    .min(0)
    .max(LARGEST_INT32)
    .default(standard)
    .transform((value) => value || standard);
}

const probeBase = z.strictObject({
  exec: exec.exactOptional(),
  httpGet: httpGet.exactOptional(),
  tcpSocket: tcpSocket.exactOptional(),
  grpc: grpc.exactOptional(),
  initialDelaySeconds: z.int().min(0).max(LARGEST_INT32).default(0),
  timeoutSeconds: count(1),
  periodSeconds: count(10),
  successThreshold: count(1),
  failureThreshold: count(3),
});

export const readinessProbeSchema = probeBase.check(exactlyOne('exec', 'httpGet', 'tcpSocket', 'grpc'));

/** Liveness and startup probes: a failure ends the container, with a grace of its own if wanted. */
export const killingProbeSchema = probeBase
  .extend({ terminationGracePeriodSeconds: z.int().min(1).max(LARGEST_INT32).exactOptional() })
  .check(exactlyOne('exec', 'httpGet', 'tcpSocket', 'grpc'))
  .check(({ value, issues }) => {
    if (value.successThreshold === 1) return;
    const message = 'has to be 1, except for a readinessProbe';
    issues.push({
      code: 'custom',
      message,
      path: ['successThreshold'],
      input: value.successThreshold,
    });
  });

const handler = z
  .strictObject({
    exec: exec.exactOptional(),
    httpGet: httpGet.exactOptional(),
    sleep: z.strictObject({ seconds: z.int().min(0) }).exactOptional(),
  })
  .check(exactlyOne('exec', 'httpGet', 'sleep'));

const SIGNALS = [
  ...['SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL'],
  ...['SIGINT', 'SIGIO', 'SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR', 'SIGQUIT'],
  ...['SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'],
  ...['SIGURG', 'SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ', 'SIGRTMIN', 'SIGRTMAX'],
];

function signalProblem(name: string): string | undefined {
  const realtime = /^SIGRT(?:MIN\+(\d+)|MAX-(\d+))$/.exec(name);
  const offset = Number(realtime?.[1] ?? realtime?.[2] ?? 0);
  const largest = realtime?.[2] === undefined ? 15 : 14;
  if (SIGNALS.includes(name) || (offset >= 1 && offset <= largest)) return undefined;
  return 'has to be the name of a signal of Linux, such as SIGTERM, SIGQUIT or SIGRTMIN+3';
}

export const lifecycleSchema = z.strictObject({
  postStart: handler.exactOptional(),
  preStop: handler.exactOptional(),
  stopSignal: text(signalProblem).exactOptional(),
});
