import { PodwrightError, parseImageReference, type RegistryAuth } from '@podwright/core';
import type { cri } from '@podwright/cri-api';

/** Names of docker.io that docker's configuration and its tools use. */
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * The credentials of a pull; undefined for none, so that the host's own are asked. As containerd reads them: a user name
 * wins over `auth`, and credentials that are said to be for another registry are not sent to this one.
 * Source: containerd internal/cri/server/images/image_pull.go, ParseAuth.
 * @param reference the image that is pulled
 * @throws PodwrightError kind `invalid-argument` for an `auth` that cannot be read, `unsupported` for a token
 */
export function pullAuth(
  auth:
    | Pick<
        cri.AuthConfig,
        'username' | 'password' | 'auth' | 'serverAddress' | 'identityToken' | 'registryToken'
      >
    | undefined,
  reference: string,
): RegistryAuth | undefined {
  if (auth === undefined || !isFor(auth.serverAddress, parseImageReference(reference).registry))
    return undefined;
  if (auth.username !== '') return { username: auth.username, password: auth.password };
  for (const [name, token] of [
    ['identity_token', auth.identityToken],
    ['registry_token', auth.registryToken],
  ] as const) {
    if (token !== '') {
      throw new PodwrightError(
        'unsupported',
        `${reference} cannot be pulled with an ${name}: give the user name and password (or access token) that the registry takes.`,
        { details: { field: `auth.${name}` } },
      );
    }
  }
  return auth.auth === '' ? undefined : decodeAuth(auth.auth);
}

/** `user:password` in base64, as docker's configuration has it; the password may be padded with NUL. */
function decodeAuth(encoded: string): RegistryAuth {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) {
    throw new PodwrightError(
      'invalid-argument',
      'The auth of the pull cannot be read: it has to be USER:PASSWORD in base64.',
      { details: { field: 'auth.auth' } },
    );
  }
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** @param address host, `host:port` or a URL; empty: any registry */
function isFor(address: string, registry: string): boolean {
  const host = address.replace(/^[a-z]+:\/\//i, '').replace(/\/.*$/s, '');
  return host === '' || host === registry || (DOCKER_HUB.has(host) && DOCKER_HUB.has(registry));
}
