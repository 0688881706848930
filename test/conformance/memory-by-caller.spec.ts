import { defineConformance } from '@podwright/conformance';
import { createMemoryTarget } from './memory-target.js';

defineConformance({
  name: 'memory, restarts by the caller',
  createTarget: () => createMemoryTarget({}, undefined, { restartsBy: 'caller' }),
  lacks: {
    kernel: 'its containers are simulated and have no processes of a kernel',
    userNamespaces: 'it has no users but those of the image',
    supervisedRestart: 'it was told to leave restarts to its caller, as a backend does that has none',
  },
  caseTimeoutMs: 20_000,
});
