import { describe, expect, it } from 'vitest';
import { formatHosts, nodeHosts } from './hosts.js';

const ALIASES = [
  { ip: '192.0.2.7', hostnames: ['db', 'db.test'] },
  { ip: 'fd00::7', hostnames: ['db6'] },
];

describe('formatHosts', () => {
  it.each([
    ['a name', 'web', undefined, 'web'],
    ['an empty domain', 'web', '', 'web'],
    ['a domain', 'web', 'apps.default.svc.cluster.local', 'web.apps.default.svc.cluster.local\tweb'],
    ['a host name that is the whole name', 'web.apps.test', 'apps.test', 'web.apps.test\tweb'],
  ])('knows the pod by %s on each of its addresses', (_what, hostname, domain, names) => {
    const lines = formatHosts({
      ips: ['10.91.0.2', 'fd00::2'],
      hostname,
      ...(domain === undefined ? {} : { domain }),
      hostAliases: [],
    }).split('\n');
    expect(lines).toContain('127.0.0.1\tlocalhost');
    expect(lines.slice(-3)).toEqual([`10.91.0.2\t${names}`, `fd00::2\t${names}`, '']);
  });

  it('ends with the pod’s aliases', () => {
    const text = formatHosts({ ips: ['10.91.0.2'], hostname: 'web', hostAliases: ALIASES });
    expect(text.split('\n').slice(-4)).toEqual([
      '# hostAliases of the pod',
      '192.0.2.7\tdb\tdb.test',
      'fd00::7\tdb6',
      '',
    ]);
  });
});

describe('nodeHosts', () => {
  it.each([
    ['as it is without aliases', '127.0.0.1 localhost', [], '127.0.0.1 localhost'],
    [
      'with the aliases behind it',
      '127.0.0.1 localhost',
      ALIASES.slice(1),
      '127.0.0.1 localhost\n\n# hostAliases of the pod\nfd00::7\tdb6\n',
    ],
  ])('is the node’s file %s', (_what, text, aliases, expected) => {
    expect(nodeHosts(text, aliases)).toBe(expected);
  });
});
