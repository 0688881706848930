import { describe, expect, it } from 'vitest';
import { hostFacts, parseProcessLimits } from './host-facts.js';

const TEXTS = {
  status: 'Name:\tsystemd\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000021\n',
  limits: [
    'Limit                     Soft Limit           Hard Limit           Units     ',
    'Max cpu time              unlimited            unlimited            seconds   ',
    'Max open files            1024                 20000                files     ',
    'Max nice priority         0                    0                    ',
    'Max something new         1                    2                    ',
  ].join('\n'),
  mounts: 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n',
  release: '6.18.44-fc-v669\n',
  arch: 'x64',
} as const;

describe('hostFacts', () => {
  it('reads the files of the first process', () => {
    expect(hostFacts(TEXTS)).toEqual({
      capabilities: ['CAP_CHOWN', 'CAP_KILL'],
      cgroupVersion: 2,
      hardLimits: { RLIMIT_NOFILE: 20_000, RLIMIT_NICE: 0 },
      arch: 'amd64',
      kernelVersion: '6.18',
      mandatoryAccess: { seLinux: false },
    });
  });

  it.each([
    ['tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n', 1],
    ['tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n', 1],
    ['cgroup /sys/fs/cgroup cgroup2 rw 0 0\n', 2],
  ])('tells the cgroup version of %j', (mounts, version) => {
    expect(hostFacts({ ...TEXTS, mounts }).cgroupVersion).toBe(version);
  });

  it('names architectures as Go does', () => {
    expect(hostFacts({ ...TEXTS, arch: 'arm64' }).arch).toBe('arm64');
    expect(hostFacts({ ...TEXTS, arch: 'ia32' }).arch).toBe('386');
  });
});

it('parseProcessLimits reads both values of each limit that has a name', () => {
  const none = Number.POSITIVE_INFINITY;
  expect(parseProcessLimits(TEXTS.limits)).toEqual([
    { type: 'RLIMIT_CPU', soft: none, hard: none },
    { type: 'RLIMIT_NOFILE', soft: 1024, hard: 20_000 },
    { type: 'RLIMIT_NICE', soft: 0, hard: 0 },
  ]);
});
