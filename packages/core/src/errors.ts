/**
 * What went wrong, for programs. A person reads the message.
 *
 * - `invalid-argument`, `invalid-manifest`: the input is wrong; nothing was done.
 * - `not-found`, `already-exists`, `in-use`, `failed-precondition`: the state forbids it.
 * - `unsupported`: this backend or this host cannot do it, and says what to do instead.
 * - `missing-requirement`: a program, a kernel facility or a configuration is absent or too old.
 * - `permission-denied`: the caller lacks a right.
 * - `image-not-found`, `unauthorized`, `unreachable`, `no-space`: told apart for images and networks.
 * - `signature-rejected`: the host's signature policy (policy.json) does not take this image.
 * - `image-pull-back-off`: pulls of the image have failed; the next one waits, `details.retryAtMs` says until when.
 * - `port-in-use`: a host port is taken.
 * - `timeout`, `cancelled`: the time ran out, or the caller's `AbortSignal` fired.
 * - `command-failed`, `job-failed`: a program or a systemd job ended badly; the details carry its own words.
 * - `container-start-failed`: the container could not be created or started by its runtime.
 * - `unavailable`: a daemon cannot be reached now (the D-Bus system bus, a CRI socket); trying later may help.
 * - `corrupt-state`: a state file cannot be read.
 * - `empty-id`: something that has to have an id has an empty one.
 * - `closed`: the object was already disposed of.
 * - `internal`: a defect of ours.
 */
export type ErrorKind =
  | 'invalid-argument'
  | 'invalid-manifest'
  | 'not-found'
  | 'already-exists'
  | 'in-use'
  | 'failed-precondition'
  | 'unsupported'
  | 'missing-requirement'
  | 'permission-denied'
  | 'image-not-found'
  | 'unauthorized'
  | 'unreachable'
  | 'no-space'
  | 'signature-rejected'
  | 'image-pull-back-off'
  | 'port-in-use'
  | 'timeout'
  | 'cancelled'
  | 'command-failed'
  | 'job-failed'
  | 'container-start-failed'
  | 'unavailable'
  | 'corrupt-state'
  | 'empty-id'
  | 'closed'
  | 'internal';

const BRAND = Symbol.for('podwright.core.PodwrightError');

/** The one error class. `kind` is for programs; `message` says what failed, why, and what to do. */
export class PodwrightError extends Error {
  readonly kind: ErrorKind;
  /** Facts behind the message, such as `exitCode`, `stderr`, `path`; never a secret. */
  readonly details: Readonly<Record<string, unknown>>;

  /**
   * @param kind what went wrong, for programs
   * @param message what failed, why, and what to do
   * @param options `cause`: the error behind this one; `details`: facts for programs
   */
  constructor(
    kind: ErrorKind,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PodwrightError';
    this.kind = kind;
    this.details = options.details ?? {};
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Whether `error` is a PodwrightError, of the given kind if one is given; also across two installed copies. */
  static is(error: unknown, kind?: ErrorKind): error is PodwrightError {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
    return kind === undefined || (error as { kind?: unknown }).kind === kind;
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
