import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { status } from '@grpc/grpc-js';
import { memoryBackendModule } from '@podwright/backend-memory';
import { cri } from '@podwright/cri-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CriBed, IMAGE } from './cri-bed.spec-helper.js';

let bed: CriBed;

beforeEach(async () => {
  bed = await CriBed.start(memoryBackendModule({ registry: { images: [{ reference: IMAGE }] } }));
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

describe('socket', () => {
  it('is of nobody else, in a directory of nobody else', async () => {
    const modes = await Promise.all(
      [bed.socketPath, dirname(bed.socketPath)].map(async (path) =>
        ((await stat(path)).mode & 0o777).toString(8),
      ),
    );
    expect(modes).toEqual(['600', '700']);
  });
});

describe('work of crictl', () => {
  it('goes from the pull to the removal', async () => {
    const imageRef = await bed.pull();
    const podSandboxId = await bed.runSandbox();
    const containerId = await bed.runScript(podSandboxId, 'sleep 1000');
    expect((await bed.runtime.listContainers()).containers).toMatchObject([
      { id: containerId, podSandboxId, state: cri.ContainerState.CONTAINER_RUNNING, imageId: imageRef },
    ]);
    const exec = await bed.runtime.execSync({ containerId, cmd: ['sh', '-c', 'echo hello; exit 3'] });
    expect([Buffer.from(exec.stdout).toString(), exec.exitCode]).toEqual(['hello\n', 3]);
    await bed.runtime.stopContainer({ containerId });
    const { status: ended } = await bed.runtime.containerStatus({ containerId });
    expect(ended).toMatchObject({ state: cri.ContainerState.CONTAINER_EXITED, exitCode: 137 });
    await bed.runtime.removeContainer({ containerId });
    await bed.runtime.stopPodSandbox({ podSandboxId });
    await bed.runtime.removePodSandbox({ podSandboxId });
    await expect(bed.runtime.podSandboxStatus({ podSandboxId })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });
});
