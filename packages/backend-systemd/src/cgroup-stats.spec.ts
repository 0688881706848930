import { describe, expect, it } from 'vitest';
import { type CgroupUsage, limitOf, readCgroupUsage } from './cgroup-stats.js';
import { parseNetworkStats } from './network-stats.js';

const PATH = 'a.slice/b.service';

const V2 = {
  'cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 0\n',
  'memory.current': '4000\n',
  'memory.stat': 'anon 1000\nfile 2500\ninactive_file 900\nactive_file 1600\n',
  'memory.max': 'max\n',
  'io.stat': '8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n253:0 rbytes=1 wbytes=2 rios=1 wios=1\n',
  'pids.current': '3\n',
};

const V1 = {
  'cpuacct/cpuacct.usage': '1500000\n',
  'memory/memory.usage_in_bytes': '4000\n',
  'memory/memory.stat': 'cache 1\ninactive_file 1\ntotal_rss 1000\ntotal_inactive_file 900\n',
  'memory/memory.limit_in_bytes': '9223372036854771712\n',
  'blkio/blkio.throttle.io_service_bytes_recursive':
    '8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Total 30\n253:0 Read 1\n253:0 Write 2\nTotal 33\n',
  'pids/pids.current': '3\n',
};

/** The files of a cgroup, by their names, and on version 1 their controllers. */
function reading(version: 1 | 2, files: Readonly<Record<string, string | undefined>>) {
  const paths = Object.entries(files).map(([name, text]) => {
    const [controller, file] = version === 1 ? name.split('/') : ['', name];
    return [['/sys/fs/cgroup', controller, PATH, file].filter(Boolean).join('/'), text] as const;
  });
  const found = new Map(paths);
  return readCgroupUsage(version, PATH, (path) => found.get(path));
}

const USAGE: CgroupUsage = {
  cpu: { usageNanoseconds: 1_500_000 },
  memory: { workingSetBytes: 3100, usageBytes: 4000, rssBytes: 1000 },
  io: { readBytes: 11, writtenBytes: 22 },
  pids: 3,
};

describe('readCgroupUsage', () => {
  it.each<[string, 1 | 2, Readonly<Record<string, string | undefined>>, CgroupUsage | undefined]>([
    ['version 1', 1, V1, USAGE],
    ['version 2', 2, V2, USAGE],
    [
      'version 1 beside version 2',
      1,
      { ...V1, 'cpuacct/cpuacct.usage': undefined, 'unified/cpu.stat': V2['cpu.stat'] },
      USAGE,
    ],
    [
      'version 1 with a limit',
      1,
      { ...V1, 'memory/memory.limit_in_bytes': '5000\n' },
      { ...USAGE, memory: { ...USAGE.memory, availableBytes: 1900 } },
    ],
    [
      'version 2 with a limit',
      2,
      { ...V2, 'memory.max': '5000\n' },
      { ...USAGE, memory: { ...USAGE.memory, availableBytes: 1900 } },
    ],
    [
      'version 1 with swap and page faults',
      1,
      {
        ...V1,
        'memory/memory.stat': `${V1['memory/memory.stat']}total_swap 70\ntotal_pgfault 9\ntotal_pgmajfault 2\n`,
      },
      { ...USAGE, memory: { ...USAGE.memory, pageFaults: 9, majorPageFaults: 2, swapUsageBytes: 70 } },
    ],
    [
      'version 2 with swap and page faults',
      2,
      {
        ...V2,
        'memory.stat': `${V2['memory.stat']}pgfault 9\npgmajfault 2\n`,
        'memory.swap.current': '70\n',
        'memory.swap.max': '100\n',
      },
      {
        ...USAGE,
        memory: {
          ...USAGE.memory,
          ...{ pageFaults: 9, majorPageFaults: 2, swapUsageBytes: 70, swapAvailableBytes: 30 },
        },
      },
    ],
    [
      'version 2 with swap without a limit',
      2,
      { ...V2, 'memory.swap.current': '70\n', 'memory.swap.max': 'max\n' },
      { ...USAGE, memory: { ...USAGE.memory, swapUsageBytes: 70 } },
    ],
    ['no I/O yet', 2, { ...V2, 'io.stat': '' }, { ...USAGE, io: { readBytes: 0, writtenBytes: 0 } }],
    [
      'I/O on version 1, none yet',
      1,
      { ...V1, 'blkio/blkio.throttle.io_service_bytes_recursive': 'Total 0\n' },
      { ...USAGE, io: { readBytes: 0, writtenBytes: 0 } },
    ],
    [
      'more file cache than usage for a moment',
      2,
      { ...V2, 'memory.stat': 'anon 1000\ninactive_file 4001\n' },
      { ...USAGE, memory: { ...USAGE.memory, workingSetBytes: 0 } },
    ],
    ['gone', 2, {}, undefined],
    ['going, version 1', 1, { ...V1, 'pids/pids.current': undefined }, undefined],
    ['going, version 2', 2, { ...V2, 'memory.current': undefined }, undefined],
  ])('%s', (_what, version, files, expected) => {
    expect(reading(version, files)).toEqual(expected);
  });

  it('has no I/O where the host does not count it', () => {
    const { io: _, ...rest } = USAGE;
    expect(reading(2, { ...V2, 'io.stat': undefined })).toEqual(rest);
  });
});

it.each<[string | undefined, number | undefined]>([
  ['max\n', undefined],
  ['9223372036854771712\n', undefined],
  ['0\n', 0],
  ['4096', 4096],
  [undefined, undefined],
])('a limit that reads %j is %j', (text, bytes) => {
  expect(limitOf(text)).toBe(bytes);
});

it('reads the interfaces of a pod, without the loopback one', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    1296      16    2    4    0     0          0         0      866      11    3    5    0     0       0          0
net1:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0
`;
  expect(parseNetworkStats(text)).toEqual([
    {
      ...{ name: 'eth0', rxBytes: 1296, rxPackets: 16, rxErrors: 2, rxDropped: 4 },
      ...{ txBytes: 866, txPackets: 11, txErrors: 3, txDropped: 5 },
    },
    {
      ...{ name: 'net1', rxBytes: 7, rxPackets: 1, rxErrors: 0, rxDropped: 0 },
      ...{ txBytes: 8, txPackets: 1, txErrors: 0, txDropped: 0 },
    },
  ]);
});
