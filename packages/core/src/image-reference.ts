import { PodwrightError } from './errors.js';

/** A reference to an image with docker's defaults filled in. Without a digest there is always a tag. */
export interface ImageReference {
  /** Host with its port, if it has one: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path below the registry: `library/busybox`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:…`; it decides what is pulled, also when there is a tag. */
  readonly digest?: string;
}

const DEFAULT_REGISTRY = 'docker.io';
const LEGACY_DEFAULT_REGISTRY = 'index.docker.io';
const OFFICIAL_NAMESPACE = 'library';
const DEFAULT_TAG = 'latest';
const MAX_NAME_LENGTH = 255;

const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const REGISTRY = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const HEX_LENGTH = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

/**
 * Takes a reference apart by the rules that `docker pull` uses (the grammar and normalization of
 * distribution/reference): `busybox` is `docker.io/library/busybox:latest`.
 * @param text any form that docker takes: `busybox`, `host:5000/name:tag`, `name@sha256:…`, `name:tag@sha256:…`
 * @throws PodwrightError kind `invalid-argument` that names the part at fault
 */
export function parseImageReference(text: string): ImageReference {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `"${text}" is no image reference: ${why}`, {
      details: { value: text },
    });
  };
  if (text === '') fail('it is empty; write a name such as busybox:1.36.');
  if (/^[a-f0-9]{64}$/.test(text)) fail('64 hexadecimal digits are an image id, which no registry knows.');

  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const { registry, path } = splitRegistry(hasTag ? named.slice(0, colon) : named);
  const repository =
    registry === DEFAULT_REGISTRY && !path.includes('/') ? `${OFFICIAL_NAMESPACE}/${path}` : path;

  if (!REGISTRY.test(registry))
    fail(`"${registry}" is no registry; allowed is a host name or address with a port.`);
  if (path !== path.toLowerCase())
    fail(`the name "${path}" has capital letters; only small ones are allowed.`);
  if (!REPOSITORY.test(repository)) {
    fail(`"${path}" is no name; allowed are small letters and digits, with single . _ or - between them.`);
  }
  if (registry.length + 1 + repository.length > MAX_NAME_LENGTH) {
    fail(`the name is longer than ${MAX_NAME_LENGTH} characters.`);
  }
  if (tag !== undefined && !TAG.test(tag)) {
    fail(`"${tag}" is no tag; allowed are 1 to 128 letters, digits, _ . and -, not beginning with . or -.`);
  }
  if (digest !== undefined && !isDigest(digest)) {
    fail(`"${digest}" is no digest; it has to read sha256: and 64 small hexadecimal digits.`);
  }
  return {
    registry,
    repository,
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: DEFAULT_TAG } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The reference in full: `docker.io/library/busybox:latest`, with `@sha256:…` at its end when there is a digest. */
export function formatImageReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}

/** The one way to write a reference that docker reads as `text`. @throws PodwrightError kind `invalid-argument` */
export function normalizeImageReference(text: string): string {
  return formatImageReference(parseImageReference(text));
}

/** The part before the first slash is a registry only when it looks like a host: it has a dot, a port or a capital. */
function splitRegistry(name: string): { registry: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (slash < 0 || !isHost) return { registry: DEFAULT_REGISTRY, path: name };
  return {
    registry: first === LEGACY_DEFAULT_REGISTRY ? DEFAULT_REGISTRY : first,
    path: name.slice(slash + 1),
  };
}

function isDigest(text: string): boolean {
  if (!DIGEST.test(text)) return false;
  const [algorithm = '', hex = ''] = text.split(':');
  const length = HEX_LENGTH.get(algorithm);
  return length === undefined || (hex.length === length && hex === hex.toLowerCase());
}
