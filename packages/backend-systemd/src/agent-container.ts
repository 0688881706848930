import { readlink } from 'node:fs/promises';
import { messageOf, PodwrightError } from '@podwright/core';
import { checkHostPropagation, type HostExecutor } from '@podwright/nsenter';

/**
 * Where the host's system bus is for an agent in a container: /run of the host, with the socket, is below its root.
 * @param hostRoot where the agent sees the host's root
 */
export function hostBusAddress(hostRoot: string): string {
  // Escaped as the D-Bus specification has it for addresses.
  const path = `${hostRoot.replace(/\/$/, '')}/run/dbus/system_bus_socket`;
  return `unix:path=${path.replace(/[^-0-9A-Za-z_/.*]/g, (each) =>
    [...Buffer.from(each)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  )}`;
}

/**
 * Whether the agent's container is in the host's network: bridges, addresses and port mappings of pods would be made in
 * the container's otherwise, and end with it. And whether it sees what is mounted on the host: files of volumes would be
 * written below the mounts otherwise.
 * @param executor of an agent in a container
 * @param checkMounts looks at the place where the agent has the host's root
 * @throws PodwrightError kind `missing-requirement`
 */
export async function checkAgentContainer(
  executor: HostExecutor,
  checkMounts: (hostRoot: string) => Promise<void> = checkHostPropagation,
): Promise<void> {
  const [own, host] = await Promise.all([
    readlink('/proc/self/ns/net'),
    readlink(executor.hostPath('/proc/1/ns/net')).catch((cause: unknown) => {
      throw new PodwrightError(
        'missing-requirement',
        `The host's first process cannot be looked at: ${messageOf(cause)}. The agent's container has to be privileged, with the host's root and its PID namespace (hostPID: true).`,
        { cause },
      );
    }),
  ]);
  if (own !== host) {
    throw new PodwrightError(
      'missing-requirement',
      "The agent's container is not in the host's network, in which the networks of pods are made: run it with hostNetwork: true.",
      { details: { own, host } },
    );
  }
  await checkMounts(executor.hostPath('/'));
}
