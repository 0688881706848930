// The far side: serves a backend of this machine at a Unix socket until its input ends.
// node far-side.mjs SOCKET [BACKEND]
import { ImageService, RuntimeService, VolumeProvider } from '@podwright/core';
import { createContainer } from 'podwright';
import { serveBackend } from 'podwright-backend-remote';

const [socket, backend = 'memory'] = process.argv.slice(2);
const backendOptions = { memory: { registry: { images: [{ reference: 'busybox:1.36' }] } }, systemd: {} }[
  backend
];
const container = await createContainer({ backend, backendOptions });
const runtime = container.get(RuntimeService);
await runtime.start();
const services = { runtime, images: container.get(ImageService), volumes: container.get(VolumeProvider) };
const server = await serveBackend(services, socket);
console.log('ready');

process.stdin.resume().once('end', async () => {
  await server[Symbol.asyncDispose]();
  await runtime[Symbol.asyncDispose]();
});
