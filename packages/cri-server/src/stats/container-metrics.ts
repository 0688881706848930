import type { ContainerStats, FilesystemDetail, ProcessDetail, ThreadStates } from '@podwright/core';
import { GAUGE, type MetricRule, single } from './metric-rule.js';

/** The one limit that cAdvisor tells of. */
const OPEN_FILES = 'max_open_files';

const filesystem = (
  name: string,
  help: string,
  field: Exclude<keyof FilesystemDetail, 'device'>,
): MetricRule<ContainerStats> => ({
  ...{ name, help, type: GAUGE, labels: ['device'] },
  values: ({ detail }) =>
    detail?.filesystem === undefined
      ? []
      : [{ value: detail.filesystem[field], labels: [detail.filesystem.device] }],
});

const processes = (
  name: string,
  help: string,
  field: 'processes' | 'fileDescriptors' | 'sockets',
): MetricRule<ContainerStats> => ({
  ...{ name, help, type: GAUGE },
  values: ({ detail }) => single(detail?.processes?.[field]),
});

/** What a container alone has. Names, labels and units as cAdvisor has them. */
export const CONTAINER_METRICS: readonly MetricRule<ContainerStats>[] = [
  filesystem(
    'container_fs_limit_bytes',
    'Size of the file system that the container writes into, in bytes.',
    'capacityBytes',
  ),
  {
    name: 'container_fs_usage_bytes',
    help: 'Disk space of what the container has written into its root file system.',
    type: GAUGE,
    labels: ['device'],
    values: ({ writableLayer, detail }) => [
      { value: writableLayer.usedBytes, labels: [detail?.filesystem?.device ?? ''] },
    ],
  },
  filesystem(
    'container_fs_inodes_total',
    'Inodes of the file system that the container writes into.',
    'inodes',
  ),
  filesystem('container_fs_inodes_free', 'Inodes that are free there.', 'inodesFree'),
  processes('container_processes', 'Processes of the container.', 'processes'),
  processes('container_file_descriptors', 'Open file descriptors of all processes.', 'fileDescriptors'),
  processes('container_sockets', 'Open sockets of all processes.', 'sockets'),
  {
    name: 'container_ulimits_soft',
    help: 'Soft limit of the first process; none when it is unlimited.',
    type: GAUGE,
    labels: ['ulimit'],
    values: ({ detail }) => {
      const value = detail?.processes?.softLimits[OPEN_FILES];
      return value === undefined ? [] : [{ value, labels: [OPEN_FILES] }];
    },
  },
  {
    name: 'container_tasks_state',
    help: 'Threads by what they do.',
    type: GAUGE,
    labels: ['state'],
    values: ({ detail }) => statesOf(detail?.processes),
  },
];

const STATES: readonly (keyof ThreadStates)[] = ['sleeping', 'running', 'stopped', 'uninterruptible'];

function statesOf(processes: ProcessDetail | undefined) {
  const states = processes?.threadStates;
  return states === undefined ? [] : STATES.map((state) => ({ value: states[state], labels: [state] }));
}
