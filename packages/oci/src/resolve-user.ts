import { type ContainerSecurity, PodwrightError } from '@podwright/core';

/** The user that a container's process runs as. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** All supplementary groups, the primary one among them (CVE-2022-36109), ascending. */
  readonly additionalGids: readonly number[];
  /** Home directory; `/` when the image does not know the user. */
  readonly home: string;
  /** Absent when the image does not know the user. */
  readonly name?: string;
}

/** The image's own files, as text; absent: the image has none. */
export interface UserFiles {
  readonly passwd?: string;
  readonly group?: string;
}

type UserSettings = Pick<
  ContainerSecurity,
  | 'runAsUser'
  | 'runAsGroup'
  | 'runAsUserName'
  | 'runAsNonRoot'
  | 'supplementalGroups'
  | 'supplementalGroupsPolicy'
>;

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_ID = 0xffff_fffe;

/**
 * Finds the user by the image's own passwd and group files, never by the host's.
 *
 * The configuration's user wins over the image's; an image without one is run as root. A number is always an id, never a
 * name: an image whose passwd has a user named `1000` cannot make `runAsUser: 1000` root. It need not be in passwd: its
 * group is then 0. Groups whose members name the user are supplementary ones, with those of the configuration; with
 * the policy `Strict` only the latter.
 * @param imageUser `User` of the image: `user`, `uid`, `user:group`, `uid:gid`, mixed, or empty
 * @throws PodwrightError kind `invalid-argument` for a name the image does not know, for a number out of range, for
 *   both a user id and a user name, or when `runAsNonRoot` meets user 0
 */
export function resolveUser(
  files: UserFiles,
  imageUser: string | undefined,
  security: UserSettings,
): ResolvedUser {
  const { runAsUser, runAsGroup, runAsUserName } = security;
  if (runAsUser !== undefined && runAsUserName !== undefined) {
    fail(`both runAsUser (${runAsUser}) and runAsUserName (${runAsUserName}) are set: leave one of them out`);
  }
  const passwd = parsePasswd(files.passwd ?? '');
  const groups = parseGroup(files.group ?? '');
  const own = runAsUser !== undefined ? String(runAsUser) : runAsUserName;
  const [userPart = '', groupPart = ''] = own !== undefined ? [own] : splitUser(imageUser ?? '');

  const entry = findUser(passwd, userPart === '' ? '0' : userPart, own === undefined);
  const gid =
    runAsGroup !== undefined
      ? checkId(runAsGroup, 'group')
      : groupPart !== ''
        ? findGroup(groups, groupPart)
        : entry.gid;
  if (security.runAsNonRoot === true && entry.uid === 0) {
    fail(
      own === undefined
        ? `runAsNonRoot is set, and the image ${userPart === '' ? 'names no user, which means root' : `runs as "${userPart}", which is root`}: set runAsUser to another user`
        : 'runAsNonRoot is set together with a user that is root',
    );
  }
  const additional = new Set<number>([gid]);
  for (const group of security.supplementalGroupsPolicy === 'Strict' ? [] : groups) {
    if (entry.name !== undefined && group.members.includes(entry.name)) additional.add(group.gid);
  }
  for (const group of security.supplementalGroups ?? []) additional.add(checkId(group, 'group'));
  return {
    uid: entry.uid,
    gid,
    additionalGids: [...additional].sort((a, b) => a - b),
    home: entry.home,
    ...(entry.name !== undefined && { name: entry.name }),
  };
}

function splitUser(text: string): readonly string[] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
}

function findUser(
  passwd: readonly PasswdEntry[],
  wanted: string,
  fromImage: boolean,
): { uid: number; gid: number; home: string; name?: string } {
  const uid = /^\d+$/.test(wanted) ? checkId(Number(wanted), 'user') : undefined;
  const entry = passwd.find((candidate) =>
    uid === undefined ? candidate.name === wanted : candidate.uid === uid,
  );
  if (entry !== undefined) return { ...entry, home: entry.home === '' ? '/' : entry.home };
  if (uid === undefined) {
    fail(
      `the user "${wanted}" ${fromImage ? 'of the image ' : ''}is not in its /etc/passwd: use a name that is, or a number`,
    );
  }
  // /root is what crun, runc and Docker give a root that no passwd file tells of.
  return { uid, gid: 0, home: uid === 0 ? '/root' : '/' };
}

function findGroup(groups: readonly GroupEntry[], wanted: string): number {
  if (/^\d+$/.test(wanted)) return checkId(Number(wanted), 'group');
  const entry = groups.find(({ name }) => name === wanted);
  if (entry !== undefined) return entry.gid;
  return fail(`the group "${wanted}" of the image is not in its /etc/group: use a name that is, or a number`);
}

function checkId(id: number, what: 'user' | 'group'): number {
  if (!Number.isSafeInteger(id) || id < 0 || id > MAX_ID) {
    fail(`${id} is no ${what} id: it has to be a whole number from 0 to ${MAX_ID}`);
  }
  return id;
}

/** Lines that are broken are passed over, as the C library does. */
function parsePasswd(text: string): readonly PasswdEntry[] {
  return lines(text).flatMap(([name, , uid, gid, , home = '']) =>
    name && isNumber(uid) && isNumber(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [],
  );
}

function parseGroup(text: string): readonly GroupEntry[] {
  return lines(text).flatMap(([name, , gid, members = '']) =>
    name && isNumber(gid)
      ? [{ name, gid: Number(gid), members: members.split(',').map((member) => member.trim()) }]
      : [],
  );
}

function lines(text: string): readonly (readonly string[])[] {
  return text.split('\n').map((line) => line.trim().split(':'));
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text) && Number(text) <= MAX_ID;
}

function fail(why: string): never {
  throw new PodwrightError('invalid-argument', `The user of the container cannot be found: ${why}.`);
}
