// The CRI backend over our own CRI server in front of the systemd backend: what the one sends the other understands.
import { defineConformance } from '@podwright/conformance';
import { startOwnServer } from '../e2e/support/cri-target.js';
import { slowness } from '../slowness.js';
import { createCriTarget } from './cri-target.js';

const IMAGE_VOLUMES = 'this backend does not mount images as volumes';
const LOADING = 'the CRI has only pulls, no loading of archives';
const POD_LIMITS = 'the CRI leaves the limits of a whole pod to its client, who makes its control group';

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
  unsupported: {
    'attach/two-clients':
      'the streaming protocol does not tell when a client is attached: what is written just then may be missed',
    'exec/kill': 'the CRI cannot end a command that was started with streams',
    'exec-handler/resource-limits': 'the CRI has no resource limits of processes',
    'volumes/image-volume': IMAGE_VOLUMES,
    'volumes/image-volume-changed': IMAGE_VOLUMES,
    'images/load': LOADING,
    'images/load-oci': LOADING,
    'images/load-wrong': LOADING,
    'pods/runtime-images': LOADING,
    'resources/update-sandbox': POD_LIMITS,
    'resources/update-pod': POD_LIMITS,
    'resources/sync-resize': POD_LIMITS,
    'resources/sync-resize-pod': POD_LIMITS,
    'resources/sync-lift-pod': POD_LIMITS,
    'resources/update-pod-wrong': POD_LIMITS,
  },
});
