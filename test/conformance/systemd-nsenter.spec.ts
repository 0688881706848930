import { conformanceCases, defineConformance } from '@podwright/conformance';
import { oldKernelLacks } from '../old-kernel.js';
import { slowness } from '../slowness.js';
import { createSystemdTarget } from './systemd-target.js';

/** Sections in which it matters how commands enter containers; the others are the same code, run by `systemd.spec.ts`. */
const SECTIONS = new Set(['exec', 'exec-handler', 'runtime', 'probe', 'kernel']);
const cases = conformanceCases.filter(({ section }) => SECTIONS.has(section));

// Root in containers with a seccomp filter is what most cases run commands as.
defineConformance({
  name: 'systemd, exec by nsenter, unconfined',
  createTarget: () => createSystemdTarget({ execHandler: 'nsenter', allowUnconfined: true }),
  caseTimeoutMs: 60_000 * slowness,
  cases,
  lacks: {
    ...oldKernelLacks,
    execRefusal: 'whoever configured it allows commands that lack the seccomp filter',
  },
});
defineConformance({
  name: 'systemd, exec by nsenter',
  createTarget: () => createSystemdTarget({ execHandler: 'nsenter' }),
  caseTimeoutMs: 60_000 * slowness,
  cases: cases.filter(({ section }) => section === 'exec-handler'),
  lacks: oldKernelLacks,
});
