import { expect, it } from 'vitest';
import { type FileTransport, policyForLayouts, takesAnything } from './signature-policy.js';

const OPEN = [{ type: 'insecureAcceptAnything' }];

it.each<[string, unknown, boolean]>([
  ['Debian’s', { default: OPEN, transports: { 'docker-daemon': { '': OPEN } } }, true],
  ['one that refuses', { default: [{ type: 'reject' }] }, false],
  [
    'one that asks for a key of one registry',
    { default: OPEN, transports: { docker: { 'a.b': [{ type: 'signedBy' }] } } },
    false,
  ],
  ['one that asks for two things', { default: [...OPEN, { type: 'signedBy' }] }, false],
  ['one with an open registry', { default: OPEN, transports: { docker: { 'a.b': OPEN } } }, true],
  ['one without a default', {}, false],
  ['one that asks for nothing at all', { default: [] }, false],
  ['no object', null, false],
])('a policy takes anything: %s', (_what, policy, expected) => {
  expect(takesAnything(JSON.stringify(policy))).toBe(expected);
});

it('what is no JSON takes nothing', () => {
  expect(takesAnything('{')).toBe(false);
});

const NEVER = [{ type: 'reject' }];
const KEY = [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/key' }];

it.each<[string, object, FileTransport, string, unknown]>([
  ['the default', { default: KEY }, 'oci-archive', '/a/b.tar', KEY],
  [
    'its transport',
    { default: OPEN, transports: { 'oci-archive': { '': NEVER } } },
    'oci-archive',
    '/a/b.tar',
    NEVER,
  ],
  [
    'its own path',
    { default: NEVER, transports: { 'oci-archive': { '': NEVER, '/a': NEVER, '/a/b.tar': KEY } } },
    'oci-archive',
    '/a/b.tar',
    KEY,
  ],
  [
    'the nearest directory',
    { default: OPEN, transports: { oci: { '': OPEN, '/a': NEVER, '/a/b': KEY } } },
    'oci',
    '/a/b/c/d',
    KEY,
  ],
  [
    'no directory with the same beginning',
    { default: KEY, transports: { oci: { '/a/b': OPEN } } },
    'oci',
    '/a/bc',
    KEY,
  ],
  [
    'no other transport',
    { default: KEY, transports: { oci: { '': OPEN }, docker: { '': OPEN } } },
    'oci-archive',
    '/a',
    KEY,
  ],
  ['nothing that a scope inherits', { default: KEY, transports: {} }, 'oci', '/constructor', KEY],
])('a layout is asked what %s asks for', (_what, policy, transport, path, expected) => {
  const made = JSON.parse(policyForLayouts(JSON.stringify(policy), transport, path) ?? 'null');
  expect(made).toEqual({ ...policy, transports: { ...Object(policy).transports, oci: { '': expected } } });
});

it.each(['{', 'null', '[]', '1'])('%s is no policy for layouts, and skopeo says so', (text) => {
  expect(policyForLayouts(text, 'oci', '/a')).toBeUndefined();
});

it('a policy without a default stays one, which skopeo refuses', () => {
  expect(policyForLayouts('{}', 'oci', '/a')).toBe('{"transports":{"oci":{}}}');
});
