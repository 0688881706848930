import type { ErrorKind } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { type SkopeoOrigin, skopeoError, skopeoMessage } from './skopeo-errors.js';

const R = '127.0.0.1:5911';
const fatal = (text: string) => `time="2026-11-22T01:10:00Z" level=fatal msg=${JSON.stringify(text)}\n`;

/** What skopeo 1.9.3 wrote when each of these was tried. */
const REGISTRY: readonly [string, ErrorKind][] = [
  [
    `Error parsing image name "docker://${R}/bb:nope": reading manifest nope in ${R}/bb: manifest unknown: manifest unknown`,
    'image-not-found',
  ],
  [
    `initializing source docker://${R}/nope:1: reading manifest 1 in ${R}/nope: manifest unknown: manifest unknown`,
    'image-not-found',
  ],
  [`reading manifest 1 in ${R}/name: name unknown`, 'image-not-found'],
  [`reading manifest 1 in ${R}/e404: StatusCode: 404, nope`, 'image-not-found'],
  [
    'parsing image configuration: Error fetching blob: invalid status code from registry 404 (Not Found)',
    'image-not-found',
  ],
  [
    `choosing an image from manifest list docker://${R}/arch:1: no image found in image index for architecture amd64, variant "", OS linux`,
    'image-not-found',
  ],
  [
    `Error parsing image name "docker://${R}/bb:1": reading manifest 1 in ${R}/bb: unauthorized: authentication required`,
    'unauthorized',
  ],
  [
    `initializing source docker://${R}/bb:1: reading manifest 1 in ${R}/bb: unauthorized: authentication required`,
    'unauthorized',
  ],
  [`reading manifest 1 in ${R}/denied: denied`, 'unauthorized'],
  [
    'reading manifest latest in docker.io/library/nope: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n',
    'unauthorized',
  ],
  [
    `getting username and password: 1 error occurred:\n\t* reading JSON file "ba.json": unmarshaling JSON at "ba.json": invalid character '\\n' in string literal\n\n`,
    'unauthorized',
  ],
  [
    `pinging container registry ${R}: Get "https://${R}/v2/": http: server gave HTTP response to HTTPS client`,
    'unreachable',
  ],
  [
    `pinging container registry ${R}: Get "https://${R}/v2/": dial tcp ${R}: connect: connection refused`,
    'unreachable',
  ],
  [
    'pinging container registry no-such-host.invalid: Get "https://no-such-host.invalid/v2/": dial tcp: lookup no-such-host.invalid on 10.255.255.53:53: no such host',
    'unreachable',
  ],
  [
    `pinging container registry ${R}: Get "https://${R}/v2/": x509: certificate signed by unknown authority`,
    'unreachable',
  ],
  [
    `reading manifest 1 in ${R}/limit: toomanyrequests: You have reached your pull rate limit.`,
    'unreachable',
  ],
  [
    `reading manifest 1 in ${R}/e500: received unexpected HTTP status: 500 Internal Server Error`,
    'unreachable',
  ],
  [
    `reading manifest 1 in ${R}/e503: received unexpected HTTP status: 503 Service Unavailable`,
    'unreachable',
  ],
  [
    'writing blob: adding layer with blob "sha256:1ad9": processing tar file(write /bin/busybox: no space left on device): exit status 1',
    'no-space',
  ],
  [
    'writing blob: storing blob to file "/t/storage2/1": write /t/storage2/1: no space left on device',
    'no-space',
  ],
  [`Source image rejected: Running image docker://${R}/bb:1 is rejected by policy.`, 'signature-rejected'],
  ['Source image rejected: A signature was required, but no signature exists', 'signature-rejected'],
  ['Error loading trust policy: open /nope.json: no such file or directory', 'missing-requirement'],
  [
    `Error loading trust policy: invalid policy in "bad.json": invalid character '\\n' in string literal`,
    'failed-precondition',
  ],
  [
    'Invalid destination name containers-storage:x:1: mkdir /var/lib/containers: permission denied',
    'permission-denied',
  ],
  [
    `initializing image from source docker://${R}/garbage:1: invalid character '<' looking for beginning of value`,
    'command-failed',
  ],
  // Names that read like reasons.
  [`reading manifest 429 in ${R}/unauthorized/denied: manifest unknown: manifest unknown`, 'image-not-found'],
];

const ARCHIVE: readonly [string, ErrorKind][] = [
  [
    'initializing source docker-archive:trunc.tar:@0: loading tar component manifest.json: unexpected EOF',
    'invalid-argument',
  ],
  ['writing blob: storing blob to file "/t/1": write /t/1: no space left on device', 'no-space'],
  ['Source image rejected: Running image oci:x is rejected by policy.', 'signature-rejected'],
];

describe('skopeoError', () => {
  it.each(REGISTRY)('registry: %s → %s', (text, kind) => {
    expect(skopeoError('Pulling x', 'registry', fatal(text), 1)).toMatchObject({ kind });
  });

  it.each(ARCHIVE)('archive: %s → %s', (text, kind) => {
    expect(skopeoError('Loading x', 'archive', fatal(text), 1)).toMatchObject({ kind });
  });

  it('says what was tried, why it failed and what to do, and keeps the output', () => {
    const stderr = fatal(`reading manifest no in ${R}/bb: manifest unknown: manifest unknown`);
    const error = skopeoError('Pulling bb:no', 'registry', stderr, 1);
    expect(error.message).toBe(
      `Pulling bb:no failed: reading manifest no in ${R}/bb: manifest unknown: manifest unknown (check the name and the tag).`,
    );
    expect(error.details).toEqual({ exitCode: 1, stderr: stderr.trim() });
  });

  it.each<SkopeoOrigin>(['registry', 'archive'])('is honest about a %s failure without a word', (origin) => {
    expect(skopeoError('Pulling x', origin, '', 139)).toMatchObject({
      kind: 'command-failed',
      message: 'Pulling x failed: skopeo ended with exit code 139 and said nothing',
    });
  });
});

describe('skopeoMessage', () => {
  it.each([
    ['time="T" level=info msg="Image mismatch"\ntime="T" level=fatal msg="a \\"b\\"\\n\\tc"\n', 'a "b" c'],
    ['time="T" level=fatal msg=EOF\n', 'EOF'],
    ['panic: runtime error\n', 'panic: runtime error'],
    ['time="T" level=fatal msg="Error parsing image name \\"docker://x\\": no\\\\way"', 'no\\way'],
  ])('%j → %s', (stderr, message) => {
    expect(skopeoMessage(stderr)).toBe(message);
  });
});
