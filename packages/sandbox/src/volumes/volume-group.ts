import { chmod, chown, stat } from 'node:fs/promises';
import { directoryMode, type VolumeOwnership } from './volume-ownership.js';

/** What the group of a shared volume may do, and what is made there belongs to it. @see kubelet, SetVolumeOwnership */
const SHARED_BITS = 0o2770;
const MODE_BITS = 0o7777;

/**
 * Gives a volume that was made for another fsGroup, and that the pod writes to, to the present one. Without an fsGroup it
 * stays as it is: a container may have given it to a group of its own. What lies in it keeps its group.
 * @param seen the volume's directory, as this process reaches it
 */
export async function followGroup(seen: string, { gid, shared }: VolumeOwnership): Promise<void> {
  if (!shared) return;
  const present = await stat(seen);
  if (present.gid === gid) return;
  // The group last: it tells that all is done.
  await chmod(seen, (present.mode & MODE_BITS) | SHARED_BITS);
  await chown(seen, present.uid, gid);
}

/** The same of a volume that no container can change: it is as if it were made now. */
export async function followOwner(seen: string, owner: VolumeOwnership): Promise<void> {
  if ((await stat(seen)).gid === owner.gid) return;
  await chmod(seen, directoryMode(owner));
  await chown(seen, owner.uid, owner.gid);
}
