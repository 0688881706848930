import { status } from '@grpc/grpc-js';
import { memoryBackendModule } from '@podwright/backend-memory';
import { type RuntimeEvent, RuntimeService } from '@podwright/core';

import { Subject } from 'rxjs';
import { expect, it, onTestFinished } from 'vitest';
import { CriBed, IMAGE } from '../cri-bed.spec-helper.js';

it('a client of the socket that does not read is ended, after as many events as are kept for it', async () => {
  const source = new Subject<RuntimeEvent>();
  const bed = await CriBed.start(
    memoryBackendModule({ registry: { images: [{ reference: IMAGE }] } }),
    async (container) => {
      const runtime = container.get(RuntimeService);
      Object.defineProperty(runtime, 'events', { value: source });
    },
  );
  onTestFinished(() => bed[Symbol.asyncDispose]());
  // A message of this pod fills what the connection takes without being read.
  const sandboxId = await bed.runSandbox({ annotations: { large: 'x'.repeat(200_000) } });
  const events = bed.runtime.getContainerEvents()[Symbol.asyncIterator]();
  const first = events.next();
  await bed.runtime.version();
  expect(source.observed).toBe(true);
  for (let count = 0; count < 1500; count += 50) {
    for (let one = 0; one < 50; one++)
      source.next({ type: 'sandbox-stopped', timestampMs: count + one, sandboxId, podUid: 'u' });
    await bed.runtime.version();
  }
  await expect.poll(() => source.observed, { timeout: 10_000 }).toBe(false);
  expect((await first).done).toBe(false);
  let read = 1;
  const rest = async () => {
    for (;;)
      if ((await events.next()).done === true) break;
      else read += 1;
  };
  await expect(rest()).rejects.toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining('unread'),
  });
  expect(read).toBeLessThan(500);
});
