import { create } from '@bufbuild/protobuf';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { pullAuth } from './pull-auth.js';

const IMAGE = 'registry.example:5000/team/app:1';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const USER = { username: 'user', password: 'pass: word' };

type Auth = Partial<Omit<cri.AuthConfig, '$typeName'>>;
const authOf = (auth: Auth, image = IMAGE) => pullAuth(create(cri.AuthConfigSchema, auth), image);

describe('pullAuth', () => {
  it('is none without any', () => {
    expect(pullAuth(undefined, IMAGE)).toBeUndefined();
  });

  it.each<[string, Auth, object | undefined]>([
    ['nothing in it', {}, undefined],
    ['a user and a password', USER, USER],
    ['a user without a password', { username: 'user' }, { username: 'user', password: '' }],
    ['auth', { auth: base64('user:pass: word') }, USER],
    ['auth padded with NUL', { auth: base64('user:pass: word\0\0') }, USER],
    ['a user beside auth, who wins', { ...USER, auth: base64('other:x') }, USER],
    ['a user beside a token, who wins', { ...USER, identityToken: 't', registryToken: 't' }, USER],
    ['its own registry', { ...USER, serverAddress: 'registry.example:5000' }, USER],
    ['its own registry as a URL', { ...USER, serverAddress: 'https://registry.example:5000/v2/' }, USER],
    ['another registry', { ...USER, serverAddress: 'https://other.example' }, undefined],
    ['another port of the registry', { ...USER, serverAddress: 'registry.example' }, undefined],
  ])('of %s', (_, auth, expected) => {
    expect(authOf(auth)).toEqual(expected);
  });

  it.each(['https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io'])(
    'knows %s for docker.io',
    (serverAddress) => {
      expect(authOf({ ...USER, serverAddress }, 'busybox')).toEqual(USER);
      expect(authOf({ ...USER, serverAddress }, IMAGE)).toBeUndefined();
    },
  );

  it.each<[Auth, string, RegExp]>([
    [{ identityToken: 'secret' }, 'unsupported', /identity_token/],
    [{ registryToken: 'secret' }, 'unsupported', /registry_token/],
    [{ auth: base64('nocolon') }, 'invalid-argument', /USER:PASSWORD/],
    [{ auth: base64(':secret') }, 'invalid-argument', /USER:PASSWORD/],
    [{ auth: '%' }, 'invalid-argument', /USER:PASSWORD/],
  ])('refuses %j as %s, without a word of the secret', (auth, kind, message) => {
    const refusal = () => authOf(auth);
    expect(refusal).toThrow(expect.objectContaining({ kind, message: expect.stringMatching(message) }));
    expect(refusal).not.toThrow(/secret/);
  });
});
