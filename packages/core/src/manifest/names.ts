/** Kubernetes' rules for names; each function says what is wrong, or undefined when nothing is. */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const ENV_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;
const LARGEST_ANNOTATIONS_BYTES = 256 * 1024;

/** RFC 1123 label: container, volume and namespace names. */
export function dnsLabelProblem(text: string): string | undefined {
  if (text.length > 63) return 'is longer than 63 characters';
  return DNS_LABEL.test(text)
    ? undefined
    : 'has to consist of lower-case letters, digits and "-", and to begin and end with a letter or a digit';
}

/** RFC 1123 subdomain: pod names. */
export function dnsSubdomainProblem(text: string): string | undefined {
  if (text.length > 253) return 'is longer than 253 characters';
  return DNS_SUBDOMAIN.test(text)
    ? undefined
    : 'has to consist of lower-case letters, digits, "-" and ".", and each part to begin and end with a letter or a digit';
}

/** A key of a label or an annotation: a name, with a DNS subdomain and a slash before it if wanted. */
export function qualifiedNameProblem(text: string): string | undefined {
  const slash = text.indexOf('/');
  const [prefix, name] = slash < 0 ? [undefined, text] : [text.slice(0, slash), text.slice(slash + 1)];
  if (prefix !== undefined) {
    const problem = dnsSubdomainProblem(prefix);
    if (problem) return `has a prefix "${prefix}" that ${problem}`;
  }
  if (name.length === 0 || name.length > 63) return 'needs a name of 1 to 63 characters';
  return QUALIFIED_NAME.test(name)
    ? undefined
    : 'has to consist of letters, digits, "-", "_" and ".", and to begin and end with a letter or a digit';
}

export function labelValueProblem(text: string): string | undefined {
  if (text.length > 63) return 'is longer than 63 characters';
  return text === '' || QUALIFIED_NAME.test(text)
    ? undefined
    : 'has to be empty, or to consist of letters, digits, "-", "_" and ".", and to begin and end with a letter or a digit';
}

/** Kubernetes counts keys and values of all annotations together. */
export function annotationsSizeProblem(annotations: Readonly<Record<string, string>>): string | undefined {
  const bytes = Object.entries(annotations).reduce(
    (sum, [key, value]) => sum + utf8Length(key) + utf8Length(value),
    0,
  );
  return bytes > LARGEST_ANNOTATIONS_BYTES
    ? `has ${bytes} bytes: all annotations together may have ${LARGEST_ANNOTATIONS_BYTES}`
    : undefined;
}

export function envNameProblem(text: string): string | undefined {
  if (!ENV_NAME.test(text)) {
    return 'has to consist of letters, digits, "-", "_" and ".", and not to begin with a digit';
  }
  return text === '.' || text.startsWith('..') ? 'must not be "." or begin with ".."' : undefined;
}

/** IANA service name, as RFC 6335 has it. */
export function portNameProblem(text: string): string | undefined {
  const fits =
    text.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text) && /[a-z]/.test(text) && text.length > 0;
  return fits
    ? undefined
    : 'has to have at most 15 lower-case letters, digits and single "-", with at least one letter';
}

/** An absolute path without `..`. */
export function absolutePathProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return 'has to be an absolute path';
  if (text.includes('\0')) return 'must not contain a NUL character';
  return text.split('/').includes('..') ? 'must not contain ".."' : undefined;
}

/** A path as it is compared: no double slashes, no `.`, none at the end. */
export function normalizedPath(path: string): string {
  return `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}

export function nulProblem(text: string): string | undefined {
  return text.includes('\0') ? 'must not contain a NUL character' : undefined;
}

/** What stands in the manifest; whether a registry has it is found out by pulling. */
export function imageReferenceProblem(text: string): string | undefined {
  return text !== '' && !/\s|\0/.test(text) ? undefined : 'has to be the name of an image, without spaces';
}

export function ipProblem(text: string): string | undefined {
  return isIpv4(text) || isIpv6(text) ? undefined : 'has to be an IP address, such as 127.0.0.1 or ::1';
}

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const all = groups.flat();
  const last = all.at(-1) ?? '';
  const embedded = last.includes('.');
  if (embedded && !isIpv4(last)) return false;
  const count = all.length + (embedded ? 1 : 0);
  const wellFormed = (embedded ? all.slice(0, -1) : all).every((group) => /^[0-9a-fA-F]{1,4}$/.test(group));
  return wellFormed && (halves.length === 2 ? count < 8 : count === 8);
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** A path below some directory: relative and without `..`; empty is the directory itself. */
export function relativePathProblem(text: string): string | undefined {
  if (text.startsWith('/')) return 'has to be a relative path';
  if (text.includes('\0')) return 'must not contain a NUL character';
  return text.split('/').includes('..') ? 'must not contain ".."' : undefined;
}

/** Where a file of a volume lies: names that begin with `..` are the volume's own, for changing all files at once. */
export function itemPathProblem(text: string): string | undefined {
  if (normalizedPath(text) === '/') return 'has to be the path of a file in the volume';
  return relativePathProblem(text) ?? (text.startsWith('..') ? 'must not begin with ".."' : undefined);
}

/** A key of a ConfigMap or a Secret: it can be the name of a file. */
export function configKeyProblem(text: string): string | undefined {
  if (text.length > 253) return 'is longer than 253 characters';
  if (!/^[-._a-zA-Z0-9]+$/.test(text)) return 'has to consist of letters, digits, "-", "_" and "."';
  return text === '.' || text.startsWith('..') ? 'must not be "." or begin with ".."' : undefined;
}
