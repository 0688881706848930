import { defineConformance } from '@podwright/conformance';
import { createMemoryTarget } from './memory-target.js';

defineConformance({
  name: 'memory',
  createTarget: () => createMemoryTarget(),
  lacks: {
    kernel: 'its containers are simulated and have no processes of a kernel',
    userNamespaces: 'it has no users but those of the image',
  },
  caseTimeoutMs: 20_000,
});
