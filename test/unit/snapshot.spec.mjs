import { describe, expect, it } from 'vitest';
import { leftovers, parseInterfaces, parseMounts, parseUnits, takeSnapshot } from '../host/snapshot.mjs';

const nothing = { units: [], mounts: [], namespaces: [], processes: [], interfaces: [] };

describe('leftovers', () => {
  it.each([
    ['units', 'a.service', 'unit a.service'],
    ['mounts', '/x (tmpfs from tmpfs)', 'mount /x (tmpfs from tmpfs)'],
    ['namespaces', 'net:[1]', 'namespace net:[1]'],
    ['processes', '7 in / started 1: sleep', 'process 7 in / started 1: sleep'],
    ['interfaces', 'veth0', 'interface veth0'],
  ])('names what is new among the %s', (kind, each, line) => {
    expect(leftovers(nothing, { ...nothing, [kind]: [each] })).toEqual([line]);
    expect(leftovers({ ...nothing, [kind]: [each] }, { ...nothing, [kind]: [each] })).toEqual([]);
    expect(leftovers({ ...nothing, [kind]: [each] }, nothing)).toEqual([]);
  });

  it('sees a second mount on the same place', () => {
    const one = { ...nothing, mounts: ['/x (tmpfs from tmpfs)'] };
    const two = { ...nothing, mounts: ['/x (tmpfs from tmpfs)', '/x (tmpfs from tmpfs)'] };
    expect(leftovers(one, two)).toEqual(['mount /x (tmpfs from tmpfs)']);
  });
});

describe('parseMounts', () => {
  it('tells target, type and source, and which namespace a mount pins', () => {
    const text = [
      '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
      '90 22 0:4 net:[4026532281] /run/p/net rw - nsfs nsfs rw',
      '',
    ].join('\n');
    expect(parseMounts(text)).toEqual([
      { text: '/ (ext4 from /dev/sda1)', namespace: undefined },
      { text: '/run/p/net (nsfs from net:[4026532281])', namespace: 'net:[4026532281]' },
    ]);
  });
});

describe('parseUnits', () => {
  it('leaves out what is inactive and marks what has failed', () => {
    const text =
      'a.service loaded active running A\nb.service not-found inactive dead b\nc.service loaded failed failed C\n';
    expect(parseUnits(text)).toEqual(['a.service', 'c.service (failed)']);
  });
});

describe('parseInterfaces', () => {
  it('reads the names of /proc/net/dev', () => {
    expect(parseInterfaces('Inter-| Receive\n face |bytes\n    lo: 0 0\n  eth0:12 0\n')).toEqual([
      'lo',
      'eth0',
    ]);
  });
});

describe.runIf(process.platform === 'linux')('takeSnapshot', () => {
  it('sees this process, and only what matches', () => {
    const all = takeSnapshot();
    expect(all.processes.some((each) => each.startsWith(`${process.pid} `))).toBe(true);
    expect(all.namespaces.length).toBeGreaterThan(0);
    expect(takeSnapshot(/no such thing anywhere/)).toEqual({ ...nothing, interfaces: all.interfaces });
  });
});
