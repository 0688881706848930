// The CRI backend over our own CRI server in front of the systemd backend: what the one sends the other understands.
import { defineConformance } from '@podwright/conformance';
import { startOwnServer } from '../e2e/support/cri-target.js';
import { slowness } from '../slowness.js';
import { createCriTarget } from './cri-target.js';

defineConformance({
  name: 'cri over the CRI server over systemd',
  createTarget: async () => {
    const server = await startOwnServer();
    return createCriTarget({ address: server.address, stop: async () => server[Symbol.asyncDispose]() });
  },
  caseTimeoutMs: 60_000 * slowness,
  lacks: {
    supervisedRestart: 'the CRI has no restarts: the caller restarts',
    persist: 'the CRI has no pods that come back after a reboot',
    execRefusal: 'the exec handler oci leaves nothing out',
  },
});
