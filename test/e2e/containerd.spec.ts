// The containerd that the tests of the CRI backend and of the CRI server's clients work with.
import { readFileSync } from 'node:fs';
import { cri, openChannel } from '@podwright/cri-api';
import { expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { lastingLeftovers, takeSnapshot } from '../host/snapshot.mjs';
import { slowness } from '../slowness.js';
import { Containerd } from './support/containerd.js';

it('runs a container in a pod with a network, goes on after its end, and leaves nothing behind', async () => {
  const before = takeSnapshot();
  const containerd = await Containerd.start();
  const channel = openChannel(containerd.address);
  try {
    const runtime = channel.service(cri.RuntimeService);
    await channel.service(cri.ImageService).pullImage({ image: { image: testImages.busybox } });
    const sandboxConfig = {
      metadata: { name: 'pod', namespace: 'test', uid: 'uid', attempt: 0 },
      logDirectory: `${containerd.folder}/logs`,
    };
    const { podSandboxId } = await runtime.runPodSandbox({ config: sandboxConfig });
    const { containerId } = await runtime.createContainer({
      ...{ podSandboxId, sandboxConfig },
      config: {
        metadata: { name: 'main', attempt: 0 },
        image: { image: testImages.busybox },
        command: ['sh', '-c', 'echo hello; sleep 1000'],
        logPath: 'main.log',
      },
    });
    await runtime.startContainer({ containerId });
    const log = () => readFileSync(`${containerd.folder}/logs/main.log`, 'utf8');
    // What it has taken from the container and not written yet would be lost with it.
    await expect.poll(log, { timeout: 10_000 * slowness }).toMatch(/ stdout F hello\n$/);
    await containerd.restart();
    const addresses = await runtime.execSync({ containerId, cmd: ['ip', 'addr'], timeout: 30n });
    expect(Buffer.from(addresses.stdout).toString()).toContain('inet 10.94.0.');
    expect(log()).toMatch(/ stdout F hello\n$/);
  } finally {
    channel.close();
    await containerd.stop();
  }
  const left = await lastingLeftovers(before, { only: /^(?!.*\.mount$)/, timeoutMs: 10_000 * slowness });
  expect(left).toEqual([]);
});
