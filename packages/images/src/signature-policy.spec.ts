import { expect, it } from 'vitest';
import { takesAnything } from './signature-policy.js';

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
