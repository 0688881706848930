import { mkdir, open, stat } from 'node:fs/promises';
import { messageOf, PodwrightError, systemErrorCode, type Volume } from '@podwright/core';
import { followHostPath, type HostExecutor } from '@podwright/nsenter';

type HostPath = NonNullable<Volume['hostPath']>;

interface FileKind {
  isDirectory(): boolean;
  isFile(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

/** What has to be at a hostPath, by its type. @see Kubernetes' HostPathVolumeSource */
const EXPECTED: Readonly<
  Record<HostPath['type'], { is: string; test: (stats: FileKind) => boolean } | undefined>
> = {
  '': undefined,
  Directory: { is: 'a directory', test: (stats) => stats.isDirectory() },
  DirectoryOrCreate: { is: 'a directory', test: (stats) => stats.isDirectory() },
  File: { is: 'a file', test: (stats) => stats.isFile() },
  FileOrCreate: { is: 'a file', test: (stats) => stats.isFile() },
  Socket: { is: 'a unix socket', test: (stats) => stats.isSocket() },
  CharDevice: { is: 'a character device', test: (stats) => stats.isCharacterDevice() },
  BlockDevice: { is: 'a block device', test: (stats) => stats.isBlockDevice() },
};

/**
 * Sees to it that there is at a hostPath what its type asks for, and makes it where the type says so. Links lead where
 * they lead on the host, also when the agent sees the host below another root.
 * @param name of the volume, for errors
 * @throws PodwrightError kind `not-found`, `failed-precondition`, `no-space`
 */
export async function checkHostPath(
  host: Pick<HostExecutor, 'hostPath'>,
  name: string,
  volume: HostPath,
): Promise<string> {
  const expected = EXPECTED[volume.type];
  try {
    const seen = await followHostPath(host, volume.path);
    if (volume.type === 'DirectoryOrCreate') await mkdir(seen, { recursive: true, mode: 0o755 });
    if (volume.type === 'FileOrCreate') await createFile(seen);
    const stats = await stat(seen);
    if (expected === undefined || expected.test(stats)) return volume.path;
  } catch (cause) {
    // With an empty type the kubelet checks nothing and the runtime makes a directory; a missing path is a mistake.
    throw hostPathError(name, volume.path, cause);
  }
  throw new PodwrightError(
    'failed-precondition',
    `Volume "${name}": hostPath ${volume.path} is not ${expected.is}, as its type ${volume.type} asks.`,
    { details: { path: volume.path } },
  );
}

/** An empty one; what is there already stays, whatever it is. */
async function createFile(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o644)).close();
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  }
}

function hostPathError(name: string, path: string, cause: unknown): PodwrightError {
  const code = systemErrorCode(cause);
  const details = { path, code };
  const what = `Volume "${name}": hostPath ${path} cannot be used: ${messageOf(cause)}`;
  if (code === 'ENOENT') {
    return new PodwrightError('not-found', `${what}. Create it, or use the type DirectoryOrCreate.`, {
      cause,
      details,
    });
  }
  return new PodwrightError(code === 'ENOSPC' ? 'no-space' : 'failed-precondition', what, { cause, details });
}
