import { readFile } from 'node:fs/promises';
import type { HostExecutor } from '@podwright/nsenter';

/** A mount of the host. */
export interface HostMount {
  readonly path: string;
  /** Others see what is mounted below it, and the other way round (mount_namespaces(7)). */
  readonly shared: boolean;
}

/** Reads /proc/PID/mountinfo, see proc(5); in the order in which they were mounted. */
export function parseMountInfo(text: string): HostMount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const path = fields[4];
    const end = fields.indexOf('-');
    if (path === undefined || end < 0) return [];
    return [
      {
        path: unescapeOctal(path),
        shared: fields.slice(6, end).some((field) => field.startsWith('shared:')),
      },
    ];
  });
}

/** Blanks and backslashes stand as `\040` and so on; bytes of UTF-8 as they are. */
function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** The mounts of the host at a path and below it, oldest first. */
export async function mountsAt(host: HostExecutor, path: string): Promise<readonly HostMount[]> {
  const table = parseMountInfo(await readFile(host.hostPath('/proc/1/mountinfo'), 'utf8'));
  return table.filter((mount) => mount.path === path || mount.path.startsWith(`${path}/`));
}
