import { readFileSync } from 'node:fs';

/** Whether the host's controllers are those of the unified hierarchy, cgroup v2. */
export const isUnified = / \/sys\/fs\/cgroup cgroup2 /m.test(readFileSync('/proc/mounts', 'utf8'));
