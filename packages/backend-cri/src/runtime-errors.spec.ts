import { Metadata, status } from '@grpc/grpc-js';
import { type ErrorKind, PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { type CallOfRuntime, runtimeError } from './runtime-errors.js';

const failure = (code: status, details: string, kind?: string) => {
  const metadata = new Metadata();
  if (kind !== undefined) metadata.set('podwright-error-kind', kind);
  return Object.assign(new Error(details), { code, details, metadata });
};

/** In the words of containerd 1.6.20 and CRI-O 1.28. */
const CASES: readonly (readonly [CallOfRuntime, status, string, ErrorKind])[] = [
  ['other', status.NOT_FOUND, 'an error occurred when try to find sandbox: not found', 'not-found'],
  ['other', status.UNAVAILABLE, 'No connection established', 'unavailable'],
  ['other', status.UNKNOWN, 'server is not initialized yet', 'unavailable'],
  [
    'other',
    status.UNKNOWN,
    'failed to reserve sandbox name "a": name "a" is reserved for "1"',
    'already-exists',
  ],
  ['other', status.UNKNOWN, 'write /x: no space left on device', 'no-space'],
  ['other', status.UNKNOWN, 'something', 'internal'],
  ['exec', status.UNKNOWN, 'exec: "/x": stat /x: no such file or directory', 'command-failed'],
  ['exec', status.UNKNOWN, 'container is in CONTAINER_EXITED state', 'failed-precondition'],
  ['exec', status.DEADLINE_EXCEEDED, 'timeout 1s exceeded', 'timeout'],
  ['start', status.UNKNOWN, 'failed to create containerd task', 'container-start-failed'],
  ['create', status.UNKNOWN, 'mount callback failed: no users found', 'invalid-argument'],
  ['pull', status.NOT_FOUND, 'failed to resolve reference "a": a: not found', 'image-not-found'],
  ['pull', status.UNKNOWN, 'dial tcp 127.0.0.1:5009: connect: connection refused', 'unreachable'],
  ['pull', status.UNKNOWN, 'failed to authorize: 401 Unauthorized', 'unauthorized'],
  [
    'pull',
    status.UNKNOWN,
    'pull access denied, repository does not exist: authorization failed',
    'unauthorized',
  ],
  ['pull', status.UNKNOWN, 'SignatureValidationFailed: Source image rejected', 'signature-rejected'],
  ['pull', status.UNKNOWN, 'registry answered with nonsense', 'internal'],
];

describe('the kind of a failed call', () => {
  it.each(CASES)('of %s with code %i and "%s"', (call, code, details, kind) => {
    const error = runtimeError(failure(code, details), 'It failed', call);
    expect(error.kind).toBe(kind);
    expect(error.message).toBe(`It failed: ${details}`);
  });

  it('is what our own server names, whatever the words', () => {
    const error = failure(status.UNKNOWN, 'connection refused', 'unauthorized');
    expect(runtimeError(error, 'It failed', 'pull').kind).toBe('unauthorized');
  });

  it('is that of an error which has one', () => {
    const error = new PodwrightError('closed', 'It was disposed of.');
    expect(runtimeError(error, 'It failed')).toBe(error);
  });
});
