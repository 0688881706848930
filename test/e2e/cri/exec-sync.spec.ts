// Commands in containers that a caller waits for: the probes of a kubelet, `crictl exec --sync`.
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { slowness } from '../../slowness.js';
import { CriBed, eventually, expectRefusal } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

/** Expects a command to be killed after a second. */
async function expectTimeout(containerId: string, cmd: string[]): Promise<void> {
  const begin = Date.now();
  await expectRefusal(bed.runtime.execSync({ containerId, cmd, timeout: 1n }), status.DEADLINE_EXCEEDED);
  expect(Date.now() - begin).toBeGreaterThanOrEqual(950);
  expect(Date.now() - begin).toBeLessThan(20_000 * slowness);
  // One that was killed is seen until the first process of its pod has taken note of its end.
  await eventually(
    () => bed.output(containerId, 'sh', '-c', 'pidof sleep || true'),
    (pids) => pids === '',
  );
}

describe('a command in a container', () => {
  it('gives its output, its errors and its exit code', async () => {
    const id = await bed.start(await bed.runPod());
    expect(await bed.exec(id, 'echo', '-n', 'hello')).toEqual({ stdout: 'hello', stderr: '', exitCode: 0 });
    const script = 'echo out; echo err >&2; exit 3';
    expect(await bed.exec(id, 'sh', '-c', script)).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 3 });
    expect(await bed.exec(id, 'sh', '-c', 'kill -9 $$')).toMatchObject({ exitCode: 137 });
  });

  it('gives a large output whole, byte for byte', async () => {
    const id = await bed.start(await bed.runPod());
    const script = 'head -c 3000000 /dev/zero; printf "\\377\\376end"';
    const { stdout } = await bed.runtime.execSync({
      containerId: id,
      cmd: ['sh', '-c', script],
      timeout: 30n,
    });
    expect(stdout).toHaveLength(3_000_005);
    expect(Buffer.from(stdout.subarray(-5))).toEqual(Buffer.from([0xff, 0xfe, ...Buffer.from('end')]));
  });

  it('is killed at its time-out', async () => {
    const containerId = await bed.start(await bed.runPod(), { command: ['top'] });
    await expectTimeout(containerId, ['sleep', '4321']);
  });

  // There the call waits for whoever still has its output.
  itBeyondContainerd16('is killed at its time-out with all that it has started', async () => {
    const containerId = await bed.start(await bed.runPod(), { command: ['top'] });
    await expectTimeout(containerId, ['sh', '-c', 'sleep 4321; echo']);
  });

  it('is not there: the call fails, or says so with its exit code', async () => {
    const containerId = await bed.start(await bed.runPod());
    const answer = await bed.runtime
      .execSync({ containerId, cmd: ['/no/such/command'], timeout: 5n })
      .then(({ exitCode }) => exitCode, String);
    expect(String(answer)).toMatch(/^(126|127)$|no\/such\/command/);
    await expectRefusal(bed.runtime.execSync({ containerId, cmd: [] }));
  });

  it('runs beside others', async () => {
    const id = await bed.start(await bed.runPod());
    const outputs = await Promise.all(
      Array.from({ length: 12 }, (_, index) => bed.output(id, 'sh', '-c', `sleep 0.2; echo ${index}`)),
    );
    expect(outputs).toEqual(Array.from({ length: 12 }, (_, index) => `${index}\n`));
  });

  it('ends when its container ends', async () => {
    const containerId = await bed.start(await bed.runPod());
    const ended = bed.exec(containerId, 'sh', '-c', 'echo begun > /begun; sleep 4321').then(
      ({ exitCode }) => exitCode,
      () => 'failed',
    );
    await eventually(
      () => bed.exec(containerId, 'cat', '/begun'),
      ({ exitCode }) => exitCode === 0,
    );
    await bed.runtime.stopContainer({ containerId, timeout: 0n });
    expect([137, 'failed']).toContain(await ended);
  });
});
