import { Logger, silentLogger } from '@podwright/core';
import { Container } from 'inversify';
import { describe, expect, it } from 'vitest';
import { criStreamingModule } from './cri-streaming-module.js';
import { StreamingServer } from './streaming-server.js';

describe('the module', () => {
  it('binds one server with its options', async () => {
    const container = new Container();
    container.bind(Logger).toConstantValue(silentLogger);
    container.load(criStreamingModule({ host: '127.0.0.1' }));
    const server = container.get(StreamingServer);
    expect(container.get(StreamingServer)).toBe(server);
    expect(() => server.baseUrl).toThrow(expect.objectContaining({ kind: 'failed-precondition' }));
    await server.start();
    expect(server.baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await expect(server.start()).rejects.toMatchObject({ kind: 'failed-precondition' });
    await server[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    expect(() => server.baseUrl).toThrow(expect.objectContaining({ kind: 'closed' }));
    await expect(server.start()).rejects.toMatchObject({ kind: 'closed' });
  });

  it('says which address is taken', async () => {
    const container = new Container();
    container.bind(Logger).toConstantValue(silentLogger);
    container.load(criStreamingModule());
    const server = container.get(StreamingServer);
    await server.start();
    const other = new Container();
    other.bind(Logger).toConstantValue(silentLogger);
    other.load(criStreamingModule({ port: Number(new URL(server.baseUrl).port) }));
    await expect(other.get(StreamingServer).start()).rejects.toMatchObject({ kind: 'port-in-use' });
    await server[Symbol.asyncDispose]();
  });
});
