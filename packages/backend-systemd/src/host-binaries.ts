import { nearestName, PodwrightError } from '@podwright/core';

/** Programs of the host that the agent runs by name, so that their paths can be configured. A test holds it complete. */
export const HOST_BINARIES: readonly string[] = [
  ...['conmon', 'crun', 'runc', 'skopeo', 'containers-storage', 'journalctl', 'catatonit', 'perl', 'script'],
  ...['systemd-run', 'systemd-notify', 'nsenter', 'unshare', 'mount', 'umount', 'findmnt', 'flock'],
  ...['ip', 'ss', 'nft', 'ip6tables-save', 'hostname', 'sh', 'stty', 'tar', 'du', 'stat', 'cat', 'cp', 'mv'],
  ...['rm', 'rmdir', 'mkdir', 'ls', 'touch', 'chmod', 'realpath', 'test', 'true'],
];

/** @throws PodwrightError kind `invalid-argument` for a name that is no program of ours: a misspelt one would be ignored */
export function checkBinaries(binaries: Readonly<Record<string, string>>): void {
  const name = Object.keys(binaries).find((each) => !HOST_BINARIES.includes(each));
  if (name === undefined) return;
  const nearest = nearestName(name, HOST_BINARIES);
  const suggestion = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  throw new PodwrightError(
    'invalid-argument',
    `In the options of the systemd backend: binaries names "${name}", which the agent never runs.${suggestion} It runs ` +
      `${[...HOST_BINARIES].sort().join(', ')}.`,
    { details: { name } },
  );
}
