import { defineConformance } from '@podwright/conformance';
import { oldKernelLacks } from '../old-kernel.js';
import { slowness } from '../slowness.js';
import { createSystemdTarget } from './systemd-target.js';

defineConformance({
  name: 'systemd',
  createTarget: createSystemdTarget,
  caseTimeoutMs: 60_000 * slowness,
  lacks: { ...oldKernelLacks, execRefusal: 'the exec handler oci leaves nothing out' },
});
