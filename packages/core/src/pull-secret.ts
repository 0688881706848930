import { PodwrightError } from './errors.js';
import { parseImageReference } from './image-reference.js';
import type { RegistryAuth } from './image-service.js';
import type { ConfigObject } from './manifest/config-object.js';

/** Credentials of registries as Kubernetes keeps them, of a Secret named by `imagePullSecrets`. */
export interface PullSecret {
  /** `kubernetes.io/dockerconfigjson`: `{"auths": {…}}`; `kubernetes.io/dockercfg`: what is inside `auths` alone. */
  readonly type: 'kubernetes.io/dockerconfigjson' | 'kubernetes.io/dockercfg';
  /** Its JSON text, not base64. */
  readonly content: string;
  /** What to call it in errors, such as `namespace/name`. */
  readonly name?: string;
}

const KEYS = {
  '.dockerconfigjson': 'kubernetes.io/dockerconfigjson',
  '.dockercfg': 'kubernetes.io/dockercfg',
} as const;

/**
 * The pull secret that a Secret holds.
 * @throws PodwrightError kind `invalid-argument` when it holds none
 */
export function pullSecretOf(object: ConfigObject): PullSecret {
  const name = `${object.metadata.namespace}/${object.metadata.name}`;
  for (const key of ['.dockerconfigjson', '.dockercfg'] as const) {
    const encoded = object.kind === 'Secret' ? object.data[key] : undefined;
    if (encoded !== undefined) {
      return { type: KEYS[key], content: Buffer.from(encoded, 'base64').toString('utf8'), name };
    }
  }
  throw new PodwrightError(
    'invalid-argument',
    `The ${object.kind} ${name} is no pull secret: it has neither the key .dockerconfigjson nor .dockercfg.`,
    { details: { name } },
  );
}

interface Entry {
  readonly host: string;
  readonly port: string;
  /** Path below the host without slashes at its ends; empty: all of it. */
  readonly path: string;
  readonly auth: RegistryAuth;
}

/**
 * The credentials that pull secrets have for an image, in the order of trying: the longest path first, a plain host
 * before one with wildcards, then in the order of the secrets. A key is a host, `host:port`, a URL, or one of these with
 * a path; `*`, `?` and `[…]` stand in the host for a part between two dots. A path matches whole parts between slashes,
 * where the kubelet compares letters: `reg/team` is nothing for `reg/team-b/app`.
 * Source: kubernetes pkg/credentialprovider/keyring.go; "Images", section "Interpretation of config.json".
 * @param reference any form that docker takes
 * @throws PodwrightError kind `invalid-argument` for a reference or a secret that is none; never tells its content
 */
export function credentialsFor(reference: string, secrets: readonly PullSecret[]): readonly RegistryAuth[] {
  const { registry, repository } = parseImageReference(reference);
  const [host, port] = splitPort(registry);
  const matching = secrets
    .flatMap(entriesOf)
    .filter(
      (entry) =>
        entry.port === port &&
        hostMatches(entry.host, host) &&
        (entry.path === '' || repository === entry.path || repository.startsWith(`${entry.path}/`)),
    );
  // The order of the secrets stays where nothing else decides: sorting is stable.
  matching.sort(
    (a, b) =>
      b.path.length - a.path.length ||
      Number(hasWildcard(a.host)) - Number(hasWildcard(b.host)) ||
      b.host.length - a.host.length,
  );
  const seen = new Set<string>();
  return matching.flatMap(({ auth }) => {
    const key = JSON.stringify([auth.username, auth.password]);
    if (seen.has(key)) return [];
    seen.add(key);
    return [auth];
  });
}

function entriesOf(secret: PullSecret): readonly Entry[] {
  const auths = authsOf(secret);
  return Object.entries(auths).flatMap(([key, value]) => {
    const auth = authOf(value, key, secret);
    return auth === undefined ? [] : [{ ...placeOf(key), auth }];
  });
}

function authsOf(secret: PullSecret): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(secret.content);
  } catch {
    // Without the cause: its message quotes the text.
    throw wrong(secret, 'it is no JSON');
  }
  const auths = isObject(parsed) && secret.type.endsWith('json') ? (parsed['auths'] ?? {}) : parsed;
  if (!isObject(auths)) throw wrong(secret, 'it has no object of registries');
  return auths;
}

function authOf(value: unknown, key: string, secret: PullSecret): RegistryAuth | undefined {
  if (!isObject(value)) throw wrong(secret, `its entry for ${key} is no object`);
  const { username, password, auth } = value;
  if (typeof auth === 'string' && auth !== '') {
    const [user = '', ...rest] = Buffer.from(auth, 'base64').toString('utf8').split(':');
    if (rest.length === 0) throw wrong(secret, `"auth" for ${key} is not user:password in base64`);
    return { username: user, password: rest.join(':') };
  }
  if (typeof username === 'string' && typeof password === 'string' && username !== '') {
    return { username, password };
  }
  return undefined;
}

function placeOf(key: string): Omit<Entry, 'auth'> {
  const [place = '', ...rest] = key.replace(/^https?:\/\//, '').split('/');
  // Docker's own keys are those of the registry's API: https://index.docker.io/v1/
  const path = rest
    .join('/')
    .replace(/^v[12](?:\/|$)/, '')
    .replace(/\/+$/, '');
  const [host, port] = splitPort(place);
  return { host: host === 'index.docker.io' ? 'docker.io' : host, port, path };
}

function splitPort(registry: string): readonly [host: string, port: string] {
  const match = /^(.*?)(?::([0-9]+))?$/.exec(registry);
  return [match?.[1] ?? registry, match?.[2] ?? ''];
}

function hasWildcard(host: string): boolean {
  return /[*?[]/.test(host);
}

function hostMatches(pattern: string, host: string): boolean {
  if (!hasWildcard(pattern) || pattern.startsWith('[')) return pattern === host;
  const [parts, wanted] = [pattern.split('.'), host.split('.')];
  return (
    parts.length === wanted.length && parts.every((part, index) => partMatches(part, wanted[index] ?? ''))
  );
}

/** One part of a host against a shell pattern (Go's path.Match, without escapes). */
function partMatches(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/\[\^?[a-z0-9-]+\]|[*?]|[^a-zA-Z0-9]/g, (special) => {
    if (special === '*') return '.*';
    if (special === '?') return '.';
    return special.length > 1 ? special : `\\${special}`;
  });
  return new RegExp(`^${source}$`).test(text);
}

function wrong({ name, type }: PullSecret, why: string): PodwrightError {
  return new PodwrightError(
    'invalid-argument',
    `The pull secret ${name === undefined ? '' : `${name} `}of type ${type} cannot be read: ${why}.`,
    { details: { ...(name === undefined ? {} : { name }), type } },
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
