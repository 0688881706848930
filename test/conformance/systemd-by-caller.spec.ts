import { conformanceCases, defineConformance } from '@podwright/conformance';
import { slowness } from '../slowness.js';
import { createSystemdTarget } from './systemd-target.js';

/** Sections in which it matters who restarts; the others are the same code, run by `systemd.spec.ts`. */
const SECTIONS = new Set(['restart', 'pod-restart', 'sync', 'agent-restart', 'events']);

defineConformance({
  name: 'systemd, restarts by the caller',
  createTarget: () => createSystemdTarget({ restartsBy: 'caller' }),
  caseTimeoutMs: 60_000 * slowness,
  cases: conformanceCases.filter(({ section }) => SECTIONS.has(section)),
  lacks: {
    supervisedRestart: 'it was told to leave restarts to its caller, as a backend does that has none',
  },
});
