// The suite that every backend passes. Start reading at define-conformance.ts (how it is run), conformance-target.ts
// (what a backend's author gives) and cases/ (the behaviours).
export { CaseContext, type ContainerSketch } from './case-context.js';
export { conformanceCases } from './cases/all-cases.js';
export type { ConformanceCase, Need } from './conformance-case.js';
export { type ConformanceImage, conformanceImages } from './conformance-images.js';
export type {
  ConformanceImageNames,
  ConformanceTarget,
  ConformanceTargetOptions,
  HostView,
  KernelView,
} from './conformance-target.js';
export { type ConformanceOptions, defineConformance } from './define-conformance.js';
export type { Line } from './log-lines.js';
export { runCase } from './run-case.js';
