import { type ErrorKind, PodwrightError } from '@podwright/core';
import { errorOfStatus, isServiceError } from '@podwright/cri-api';

/**
 * What runtimes say with the code UNKNOWN, or a code too coarse. In the order of looking; of containerd 1.6 and 1.7 and of
 * CRI-O. Where the state can be asked for before a call, it is: these are for what happens in between.
 */
const WORDS: readonly (readonly [RegExp, ErrorKind])[] = [
  [/server is not initialized yet/, 'unavailable'],
  [/is reserved for|name .* is in use|already exists/, 'already-exists'],
  [
    /container is in CONTAINER_(EXITED|CREATED|UNKNOWN) state|is not running|cannot start an already/,
    'failed-precondition',
  ],
  [/sandbox .*(is not running|not ready|is not ready)/, 'failed-precondition'],
  [/no space left on device|disk quota exceeded/, 'no-space'],
  [/no runtime for .* is configured|runtime handler .* not (found|supported)/, 'invalid-argument'],
];

/** What is said of pulls. */
const PULL_WORDS: readonly (readonly [RegExp, ErrorKind])[] = [
  [/SignatureValidationFailed|signature.*(required|rejected)|Source image rejected/i, 'signature-rejected'],
  [
    /no such host|connection refused|connection reset|i\/o timeout|RegistryUnavailable|no route to host|network is unreachable|server gave HTTP response to HTTPS client|TLS handshake|x509:/i,
    'unreachable',
  ],
  [
    /\b401\b|\b403\b|unauthorized|no basic auth credentials|authentication required|authorization failed|access .* denied|insufficient_scope/i,
    'unauthorized',
  ],
  [/not found|manifest unknown|name unknown|no match for platform|\b404\b/i, 'image-not-found'],
  [
    /invalid reference format|could not parse|repository name must be|failed to parse image reference/i,
    'invalid-argument',
  ],
];

/** What is said of containers that are being made. */
const CREATE_WORDS: readonly (readonly [RegExp, ErrorKind])[] = [
  [/no users found|unable to find user|no matching entries in passwd|no groups found/, 'invalid-argument'],
];

/** What is said of limits that are changed: more is in use, which the kernel says. */
const UPDATE_WORDS: readonly (readonly [RegExp, ErrorKind])[] = [
  [/device or resource busy/i, 'failed-precondition'],
];

export type CallOfRuntime = 'pull' | 'exec' | 'start' | 'create' | 'update' | 'other';

const SPECIAL: Readonly<Partial<Record<CallOfRuntime, typeof WORDS>>> = {
  pull: PULL_WORDS,
  create: CREATE_WORDS,
  update: UPDATE_WORDS,
};

/** The kind of a call's failure where neither its code nor its words tell. */
const OTHERWISE: Readonly<Record<CallOfRuntime, ErrorKind>> = {
  pull: 'internal',
  exec: 'command-failed',
  start: 'container-start-failed',
  create: 'internal',
  update: 'internal',
  other: 'internal',
};

/**
 * The error of a call that failed, of the kind that this library's callers know.
 * @param what the call in words, such as `The container 1f3c… was not started`
 */
export function runtimeError(error: unknown, what: string, call: CallOfRuntime = 'other'): PodwrightError {
  if (PodwrightError.is(error)) return error;
  const told = errorOfStatus(error, what, OTHERWISE[call]);
  if (!isServiceError(error)) return told;
  const [named] = error.metadata.get('podwright-error-kind');
  if (named !== undefined || told.kind === 'cancelled' || told.kind === 'timeout') return told;
  const words = [...(SPECIAL[call] ?? []), ...WORDS];
  const found = words.find(([pattern]) => pattern.test(error.details))?.[1];
  if (found === undefined || found === told.kind) return told;
  return new PodwrightError(found, told.message, { cause: error, details: told.details });
}
