import { type ErrorKind, PodwrightError } from '@podwright/core';

/** Where the image was to come from: what a text means depends on it. */
export type SkopeoOrigin = 'registry' | 'archive';

interface Case {
  readonly pattern: RegExp;
  /** Only for images from here; absent: from anywhere. */
  readonly origin?: SkopeoOrigin;
  readonly kind: ErrorKind;
  /** What to do about it. */
  readonly advice: string;
}

/**
 * What skopeo (1.9 to 1.18) says on its standard error, in the order of looking. The texts come from
 * containers/image, from Go's net and tls packages and from the registries' error codes (OCI distribution-spec). A
 * name in the text never has a colon before a blank, so the patterns cannot mistake one for a reason.
 */
const CASES: readonly Case[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    kind: 'no-space',
    advice: 'free space for the image store and for the directory of temporary files, or remove images',
  },
  {
    pattern: /loading trust policy: open .*: no such file|no policy\.json file found/i,
    kind: 'missing-requirement',
    advice: 'write a policy.json (see containers-policy.json(5)), or name one with the option policyPath',
  },
  {
    pattern: /loading trust policy|creating policy context/i,
    kind: 'failed-precondition',
    advice: 'correct the signature policy (policy.json)',
  },
  {
    pattern: /Source image rejected|rejected by policy|signature was required/,
    kind: 'signature-rejected',
    advice:
      'the signature policy (policy.json) does not allow this image; change the policy or sign the image',
  },
  {
    pattern: /: permission denied|: operation not permitted|: read-only file system/i,
    kind: 'permission-denied',
    advice: 'run as root, with a store that can be written',
  },
  {
    pattern: /: toomanyrequests|too many requests|HTTP status: 429/i,
    origin: 'registry',
    kind: 'unreachable',
    advice: 'the registry limits how often it is asked; try later, or pull with credentials',
  },
  {
    pattern:
      /: (?:unauthorized|denied)\b|authentication required|invalid username\/password|getting username and password|\b40[13] \(?(?:Unauthorized|Forbidden)/i,
    origin: 'registry',
    kind: 'unauthorized',
    advice: 'check the name (some registries say this of a missing image too) and the credentials',
  },
  {
    pattern: /no image found in (?:image index|manifest list)/,
    origin: 'registry',
    kind: 'image-not-found',
    advice: 'the image is not made for this platform',
  },
  {
    pattern:
      /manifest unknown|name unknown|name invalid|blob unknown|StatusCode: 404|status code from registry 404/i,
    origin: 'registry',
    kind: 'image-not-found',
    advice: 'check the name and the tag',
  },
  {
    pattern: /server gave HTTP response to HTTPS client/,
    origin: 'registry',
    kind: 'unreachable',
    advice: 'the registry speaks plain HTTP; name it in insecureRegistries if you trust the network to it',
  },
  {
    pattern: /\b(?:x509|tls): /,
    origin: 'registry',
    kind: 'unreachable',
    advice:
      "the registry's certificate is not trusted; put its CA under /etc/containers/certs.d, or name the registry in insecureRegistries",
  },
  {
    pattern:
      /dial tcp|connection refused|connection reset|no such host|i\/o timeout|network is unreachable|no route to host|TLS handshake timeout|deadline exceeded|unexpected HTTP status: 5\d\d|status code from registry 5\d\d|unexpected EOF|server misbehaving|pinging container registry|Client\.Timeout/,
    origin: 'registry',
    kind: 'unreachable',
    advice: 'check the network, the name of the registry, and that it runs',
  },
  {
    pattern: /./,
    origin: 'archive',
    kind: 'invalid-argument',
    advice: 'the archive is damaged or of a kind that skopeo does not know; make it again',
  },
];

/**
 * The error behind a failed skopeo.
 * @param doing what was tried, such as `Pulling docker.io/library/busybox:1.36`
 * @param stderr what skopeo wrote
 */
export function skopeoError(
  doing: string,
  origin: SkopeoOrigin,
  stderr: string,
  exitCode: number,
): PodwrightError {
  const said = skopeoMessage(stderr);
  const found = CASES.find((one) => (one.origin ?? origin) === origin && one.pattern.test(said));
  const details = { exitCode, stderr: stderr.trim() };
  if (found === undefined) {
    const why = said === '' ? `skopeo ended with exit code ${exitCode} and said nothing` : said;
    return new PodwrightError('command-failed', `${doing} failed: ${why}`, { details });
  }
  return new PodwrightError(found.kind, `${doing} failed: ${said} (${found.advice}).`, { details });
}

/**
 * The text of skopeo's last line of level fatal (logrus' key=value format), or all it wrote; without the claim of
 * `skopeo inspect` that any failure is one of parsing a name.
 */
export function skopeoMessage(stderr: string): string {
  const fatal = stderr
    .split('\n')
    .reverse()
    .flatMap((line) => /\blevel=fatal msg=("(?:[^"\\]|\\.)*"|\S+)/.exec(line)?.[1] ?? [])[0];
  if (fatal === undefined) return stderr.trim();
  if (!fatal.startsWith('"')) return fatal;
  return fatal
    .slice(1, -1)
    .replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' || escaped === 't' ? ' ' : escaped))
    .replaceAll(/\s+/g, ' ')
    .replace(/^Error parsing image name "[^"]*": /, '')
    .trim();
}
