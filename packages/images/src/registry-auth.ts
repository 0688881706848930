import type { RegistryAuth } from '@podwright/core';

/**
 * The content of an auth file (containers-auth.json(5)) with the credentials of one registry.
 * @param registry `host` or `host:port`
 */
export function authFileContent(registry: string, auth: RegistryAuth): string {
  return JSON.stringify({ auths: { [registry]: { auth: encodedAuth(auth) } } });
}

/** The texts of the credentials that must never be logged. */
export function authSecrets(auth: RegistryAuth): readonly string[] {
  return [auth.password, encodedAuth(auth)].filter((secret) => secret !== '');
}

function encodedAuth({ username, password }: RegistryAuth): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}
