import { PodwrightError } from '@podwright/core';

/** How a mount gives mounts made below it to its copies and takes theirs. @see mount_namespaces(7) */
export interface MountPropagation {
  /** It shares with the mounts of this group; absent: it gives to nobody. */
  readonly peerGroup?: number;
  /** It takes from this group; absent: from nobody but its peers. */
  readonly masterGroup?: number;
  readonly unbindable: boolean;
}

/** A row of the mount table. */
export interface Mount {
  readonly id: number;
  /** Of the mount it lies on, which is itself or one outside the table for the uppermost. */
  readonly parentId: number;
  /** Major and minor number as `8:1`; the same for all mounts of one file system. */
  readonly deviceNumber: string;
  /** What was mounted: a device, or a word that the file system takes. */
  readonly device: string;
  /** The directory of the file system that is seen at `path`. */
  readonly root: string;
  readonly path: string;
  readonly type: string;
  /** Of this mount: `ro`, `nosuid`. */
  readonly options: readonly string[];
  /** Of the file system: `size=1k`. */
  readonly superOptions: readonly string[];
  readonly propagation: MountPropagation;
}

/**
 * Parses /proc/PID/mountinfo, see proc(5); in the order in which they were mounted.
 * @throws PodwrightError kind `internal` with the line that is none
 */
export function parseMountInfo(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

function parseLine(line: string): Mount {
  const fields = line.split(' ');
  const [id, parentId, deviceNumber, root, path, options] = fields;
  // The optional fields before the dash may be none or several.
  const dash = fields.indexOf('-', 6);
  const [type, device, superOptions] = fields.slice(dash + 1);
  if (
    !/^\d+$/.test(id ?? '') ||
    !/^\d+$/.test(parentId ?? '') ||
    deviceNumber === undefined ||
    root === undefined ||
    path === undefined ||
    options === undefined ||
    dash < 0 ||
    type === undefined ||
    device === undefined ||
    superOptions === undefined
  ) {
    throw new PodwrightError('internal', `This is no line of a mountinfo: ${line.slice(0, 200)}`);
  }
  const optional = fields.slice(6, dash);
  const peerGroup = groupOf(optional, 'shared');
  const masterGroup = groupOf(optional, 'master');
  return {
    id: Number(id),
    parentId: Number(parentId),
    deviceNumber,
    device: unescapeOctal(device),
    root: unescapeOctal(root),
    path: unescapeOctal(path),
    type: unescapeOctal(type),
    options: options.split(','),
    superOptions: superOptions.split(',').map(unescapeOctal),
    propagation: {
      ...(peerGroup === undefined ? {} : { peerGroup }),
      ...(masterGroup === undefined ? {} : { masterGroup }),
      unbindable: optional.includes('unbindable'),
    },
  };
}

function groupOf(optional: readonly string[], name: string): number | undefined {
  const field = optional.find((each) => each.startsWith(`${name}:`));
  return field === undefined ? undefined : Number(field.slice(name.length + 1));
}

/** Blanks, tabs, line feeds and backslashes stand as `\040`, `\011`, `\012`, `\134`; several may be one character. */
export function unescapeOctal(text: string): string {
  // Nearly none has any, and a table can have thousands of lines.
  if (!text.includes('\\')) return text;
  return text.replace(/(?:\\[0-3][0-7]{2})+/g, (run) =>
    Buffer.from(
      run
        .split('\\')
        .slice(1)
        .map((digits) => Number.parseInt(digits, 8)),
    ).toString('utf8'),
  );
}

/** Whether a path is a directory or lies in it. */
export function isAtOrBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/**
 * The mount on which a path lies: from the uppermost down to the last that covers it. What is hidden below a later
 * mount does not count.
 * @param path absolute, without links
 */
export function mountOf(table: readonly Mount[], path: string): Mount | undefined {
  const ids = new Set(table.map(({ id }) => id));
  const isTop = (mount: Mount) => mount.parentId === mount.id || !ids.has(mount.parentId);
  const nearest = (mounts: readonly Mount[]) =>
    mounts
      .filter((mount) => isAtOrBelow(path, mount.path))
      .reduce<Mount | undefined>((a, b) => (a && a.path.length <= b.path.length ? a : b), undefined);
  let found: Mount | undefined;
  let next = nearest(table.filter(isTop));
  while (next !== undefined) {
    found = next;
    const { id } = next;
    next = nearest(table.filter((mount) => mount.parentId === id && mount.id !== id));
  }
  return found;
}

/** What is mounted at a path and can be seen there. @param path absolute, without links */
export function mountAt(table: readonly Mount[], path: string): Mount | undefined {
  const mount = mountOf(table, path);
  return mount?.path === path ? mount : undefined;
}

/**
 * The other mount points at which the content of a path is seen: the same directory of the same file system.
 * @param path absolute, without links
 */
export function mountRefs(table: readonly Mount[], path: string): readonly string[] {
  const own = mountOf(table, path);
  if (own === undefined) return [];
  const inMount = own.path === '/' ? path : path.slice(own.path.length);
  const root = `${own.root === '/' ? '' : own.root}${inMount === '/' ? '' : inMount}` || '/';
  return table
    .filter((each) => each.id !== own.id && each.deviceNumber === own.deviceNumber && each.root === root)
    .map((each) => each.path);
}
