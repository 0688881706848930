import { readFile } from 'node:fs/promises';
import type { HostExecutor } from '@podwright/nsenter';

/** What tells this boot of the host from every other one, random(4). */
export async function readBootId(executor: HostExecutor): Promise<string> {
  return (await readFile(executor.hostPath('/proc/sys/kernel/random/boot_id'), 'utf8')).trim();
}
