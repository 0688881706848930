import type { CallOptions, VolumeUsage } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';

/**
 * What directories hold, without other file systems below them, by du(1).
 * @returns in the order of the volumes; one that vanished meanwhile is left out
 * @throws PodwrightError kind `missing-requirement`, `cancelled`
 */
export async function volumeUsage(
  host: HostExecutor,
  volumes: readonly { readonly name: string; readonly path: string }[],
  options: CallOptions = {},
): Promise<readonly VolumeUsage[]> {
  if (volumes.length === 0) return [];
  const paths = volumes.map(({ path }) => path);
  const [bytes, inodes] = await Promise.all([
    diskUsage(host, ['--block-size=1'], paths, options),
    diskUsage(host, ['--inodes'], paths, options),
  ]);
  return volumes.flatMap(({ name, path }) => {
    const [usedBytes, inodesUsed] = [bytes.get(path), inodes.get(path)];
    return usedBytes === undefined || inodesUsed === undefined ? [] : [{ name, usedBytes, inodesUsed }];
  });
}

async function diskUsage(
  host: HostExecutor,
  unit: readonly string[],
  paths: readonly string[],
  options: CallOptions,
): Promise<ReadonlyMap<string, number>> {
  const args = ['--summarize', '--one-file-system', '--null', ...unit, '--', ...paths];
  // 1: a file was removed while it was counted.
  const { stdout } = await host.run({ command: 'du', args, okExitCodes: [0, 1], ...options });
  const lines = stdout.toString('utf8').split('\0');
  return new Map(
    lines.flatMap((line) => {
      const tab = line.indexOf('\t');
      return tab < 0 ? [] : [[line.slice(tab + 1), Number(line.slice(0, tab))] as const];
    }),
  );
}
