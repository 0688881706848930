import { describe, expect, it } from 'vitest';
import { cniError } from './cni-error.js';

const said = (code: number, msg: string, details?: string) =>
  JSON.stringify({ cniVersion: '1.0.0', code, msg, ...(details === undefined ? {} : { details }) });

describe('cniError', () => {
  it.each([
    [
      'its words',
      said(999, 'no IP addresses available', 'range set 1'),
      '',
      'command-failed',
      'no IP addresses available: range set 1 (CNI error 999)',
    ],
    [
      'an incompatible version',
      said(1, 'incompatible CNI versions'),
      '',
      'unsupported',
      'incompatible CNI versions',
    ],
    [
      'a bad configuration',
      said(7, 'invalid network config'),
      '',
      'invalid-argument',
      'invalid network config',
    ],
    ['try again later', said(11, 'busy'), '', 'unavailable', 'busy'],
    ['no JSON', 'panic', 'goroutine 1', 'command-failed', 'goroutine 1 (exit code 2)'],
    ['nothing', '', '', 'command-failed', 'it said nothing'],
    [
      'a missing delegate',
      said(999, 'failed to find plugin "host-local" in path [/a]'),
      '',
      'missing-requirement',
      '"host-local" is in none of /a, /b',
    ],
    [
      'a missing program',
      said(999, 'could not initialize: exec: "iptables": executable file not found in $PATH'),
      '',
      'missing-requirement',
      'iptables',
    ],
  ])('tells %s', (_what, stdout, stderr, kind, words) => {
    const failure = {
      plugin: 'bridge',
      command: 'ADD',
      network: 'net',
      exitCode: 2,
      stdout,
      stderr,
    } as const;
    const error = cniError(failure, ['/a', '/b']);
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(words);
    expect(error.details).toMatchObject({ plugin: 'bridge', command: 'ADD', network: 'net', exitCode: 2 });
  });
});
