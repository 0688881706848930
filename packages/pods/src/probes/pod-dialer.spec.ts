import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { PodDialer } from './pod-dialer.js';

it('gives a connection whose error ends nobody when it is left', async () => {
  const connection = new PassThrough();
  const service = { portForward: async () => connection };
  const dialer: PodDialer = Reflect.construct(PodDialer, [service]);
  const given = await dialer.connect(
    { sandboxId: 's', host: '10.0.0.1', port: 80 },
    AbortSignal.timeout(1000),
  );
  expect(given).toBe(connection);
  expect(() => connection.emit('error', new Error('left'))).not.toThrow();
});
