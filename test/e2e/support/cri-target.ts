import { join } from 'node:path';
import { RuntimeService } from '@podwright/core';
import { CriServer, criServerModule } from '@podwright/cri-server';
import { createContainer } from 'podwright';
import { it } from 'vitest';
import { Containerd } from './containerd.js';
import { agentConfig, makeAgentFolder, removeAgentFolder } from './test-agent.js';

/** A CRI endpoint for tests. Disposing of it ends what was started for it. */
export interface CriTarget extends AsyncDisposable {
  /** `other`: one that was given by its address, of which nothing is known. */
  readonly name: 'podwright' | 'containerd' | 'other';
  /** As gRPC takes it. */
  readonly address: string;
}

const asked = process.env['PODWRIGHT_TEST_CRI'] ?? 'podwright';

/** For what the API demands, or newer clients rely on, and Debian's containerd 1.6 does not do. */
export const itBeyondContainerd16 = it.skipIf(asked === 'containerd');

/**
 * The endpoint that the environment asks for in PODWRIGHT_TEST_CRI: `podwright` (default), `containerd`, or an address
 * such as `unix:///run/crio/crio.sock`. The same tests run against each, so that they are known to be right.
 */
export async function startCriTarget(): Promise<CriTarget> {
  if (asked.startsWith('unix:'))
    return { name: 'other', address: asked, [Symbol.asyncDispose]: () => Promise.resolve() };
  if (asked === 'containerd') {
    const containerd = await Containerd.start();
    return {
      name: 'containerd',
      address: containerd.address,
      [Symbol.asyncDispose]: () => containerd.stop(),
    };
  }
  if (asked === 'podwright') return await startOwnServer();
  throw new Error(
    `PODWRIGHT_TEST_CRI is "${asked}": podwright, containerd or an address with unix: is known.`,
  );
}

/** A server in this process, in front of a systemd backend that has a directory of its own. */
export async function startOwnServer(): Promise<CriTarget> {
  const folder = await makeAgentFolder();
  const socketPath = join(folder, 'cri', 'cri.sock');
  const container = await createContainer(agentConfig(folder, { keepNetworkMs: 600_000 }), {
    modules: [criServerModule({ socketPath })],
  });
  const [service, server] = [container.get(RuntimeService), container.get(CriServer)];
  await service.start();
  await server.start();
  return {
    name: 'podwright',
    address: `unix://${socketPath}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
      await removeAgentFolder(folder);
    },
  };
}
