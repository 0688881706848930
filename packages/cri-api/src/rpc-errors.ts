import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { type ErrorKind, messageOf, PodwrightError } from '@podwright/core';

/** Trailing metadata in which our server says the kind of an error, which is finer than a gRPC code. */
const KIND_KEY = 'podwright-error-kind';

/** Longest message told, in UTF-16 units. */
const MAX_DETAILS = 4096;

/** The gRPC code of each kind, as CRI-O and containerd answer. */
const CODES: Readonly<Record<ErrorKind, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'invalid-manifest': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'in-use': status.FAILED_PRECONDITION,
  'failed-precondition': status.FAILED_PRECONDITION,
  unsupported: status.UNIMPLEMENTED,
  'missing-requirement': status.FAILED_PRECONDITION,
  'permission-denied': status.PERMISSION_DENIED,
  'image-not-found': status.NOT_FOUND,
  unauthorized: status.PERMISSION_DENIED,
  unreachable: status.UNAVAILABLE,
  'no-space': status.RESOURCE_EXHAUSTED,
  'signature-rejected': status.PERMISSION_DENIED,
  'image-pull-back-off': status.UNAVAILABLE,
  'port-in-use': status.FAILED_PRECONDITION,
  timeout: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  'command-failed': status.UNKNOWN,
  'job-failed': status.UNKNOWN,
  'container-start-failed': status.UNKNOWN,
  unavailable: status.UNAVAILABLE,
  'corrupt-state': status.DATA_LOSS,
  'empty-id': status.INVALID_ARGUMENT,
  closed: status.UNAVAILABLE,
  internal: status.INTERNAL,
};

/** The kind that a code of another runtime means, where its call says no more. */
const KINDS: Readonly<Partial<Record<status, ErrorKind>>> = {
  [status.CANCELLED]: 'cancelled',
  [status.INVALID_ARGUMENT]: 'invalid-argument',
  [status.OUT_OF_RANGE]: 'invalid-argument',
  [status.DEADLINE_EXCEEDED]: 'timeout',
  [status.NOT_FOUND]: 'not-found',
  [status.ALREADY_EXISTS]: 'already-exists',
  [status.PERMISSION_DENIED]: 'permission-denied',
  [status.UNAUTHENTICATED]: 'permission-denied',
  [status.RESOURCE_EXHAUSTED]: 'no-space',
  [status.FAILED_PRECONDITION]: 'failed-precondition',
  [status.ABORTED]: 'failed-precondition',
  [status.UNIMPLEMENTED]: 'unsupported',
  [status.UNAVAILABLE]: 'unavailable',
  [status.DATA_LOSS]: 'corrupt-state',
};

const isKind = (text: string): text is ErrorKind => Object.hasOwn(CODES, text);

/** What a call answers when its handler threw `error`: code, message, and the kind in the trailing metadata. */
export function statusOfError(error: unknown): StatusObject {
  const metadata = new Metadata();
  const kind = PodwrightError.is(error) ? error.kind : 'internal';
  metadata.set(KIND_KEY, kind);
  return { code: CODES[kind], details: toDetails(messageOf(error)), metadata };
}

/**
 * A message as trailers can carry it: they have 64 KiB at most, in which a letter may take nine bytes, and a call with
 * longer ones would never be answered. What says what to do comes last, and so the middle is left out. Half a letter,
 * which a message that was cut may end with, becomes a replacement character: gRPC's encoding throws at it.
 */
function toDetails(message: string): string {
  const half = MAX_DETAILS / 2;
  const cut = message.length <= MAX_DETAILS ? message : `${message.slice(0, half)} … ${message.slice(-half)}`;
  return Buffer.from(cut, 'utf8').toString('utf8');
}

/** Whether something thrown is the failure of a gRPC call. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && 'metadata' in error;
}

/**
 * What a failed call means: the kind that our own server named, else that of the code (`internal` for the rest).
 * @param error what a client's call threw
 * @param what the call in words, such as `the container 1f3c… was not started`
 * @param unknownKind the kind for code UNKNOWN, which runtimes use for most of what goes wrong in a call
 */
export function errorOfStatus(
  error: unknown,
  what: string,
  unknownKind: ErrorKind = 'internal',
): PodwrightError {
  if (!isServiceError(error))
    return new PodwrightError('internal', `${what}: ${messageOf(error)}`, { cause: error });
  const [named] = error.metadata.get(KIND_KEY);
  const kind =
    typeof named === 'string' && isKind(named)
      ? named
      : (KINDS[error.code] ?? (error.code === status.UNKNOWN ? unknownKind : 'internal'));
  return new PodwrightError(kind, `${what}: ${error.details}`, {
    cause: error,
    details: { code: status[error.code] },
  });
}
