/** Which signals to receive. Fields that are left out match everything. */
export interface SignalMatch {
  /** Well-known or unique bus name. Only what the name's present owner sent is delivered, whoever else claims it. */
  readonly sender?: string;
  readonly path?: string;
  /** This path and all below it; not together with `path`. */
  readonly pathNamespace?: string;
  readonly interface?: string;
  readonly member?: string;
  /** The first argument, when it is a string. */
  readonly arg0?: string;
}

/** What of a signal a match looks at. */
export interface MatchedSignal {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

/** The rule as AddMatch takes it (D-Bus specification, "Match Rules"). Equal matches give equal rules. */
export function formatMatchRule(match: SignalMatch): string {
  const pairs: [string, string | undefined][] = [
    ['type', 'signal'],
    ['sender', match.sender],
    ['path', match.path],
    ['path_namespace', match.pathNamespace],
    ['interface', match.interface],
    ['member', match.member],
    ['arg0', match.arg0],
  ];
  return pairs.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${quoted(value)}`])).join(',');
}

/** Within apostrophes everything is literal; an apostrophe itself stands outside, after a backslash. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** Whether a signal fits all fields but `sender`, which only the connection can tell. */
export function matchesSignal(match: SignalMatch, signal: MatchedSignal): boolean {
  return (
    (match.path === undefined || match.path === signal.path) &&
    (match.pathNamespace === undefined ||
      match.pathNamespace === '/' ||
      signal.path === match.pathNamespace ||
      signal.path.startsWith(`${match.pathNamespace}/`)) &&
    (match.interface === undefined || match.interface === signal.interface) &&
    (match.member === undefined || match.member === signal.member) &&
    (match.arg0 === undefined || match.arg0 === signal.body[0])
  );
}
