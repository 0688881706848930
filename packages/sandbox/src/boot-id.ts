import { readFile } from 'node:fs/promises';
import type { HostExecutor } from '@podwright/nsenter';

const known = new WeakMap<HostExecutor, Promise<string>>();

/** What tells this boot of the host from every other one, random(4). It stays for as long as this process lives. */
export function readBootId(executor: HostExecutor): Promise<string> {
  const read = known.get(executor) ?? readFile(executor.hostPath('/proc/sys/kernel/random/boot_id'), 'utf8');
  known.set(executor, read);
  return read.then((text) => text.trim());
}
