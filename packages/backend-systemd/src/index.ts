// The systemd backend. Start reading at systemd-runtime-service.ts, then container-unit.ts and launch-scripts.ts.
export { type SystemdBackendOptions, systemdBackendOptionsSchema } from './backend-options.js';
export { containerOfUnit, containerUnitName, HostLayout } from './host-layout.js';
export { MINIMUM_SYSTEMD_VERSION, ociRuntimeRefusal } from './host-readiness.js';
export { HostRequirements } from './host-requirements.js';
export { backendModule } from './systemd-backend-module.js';
export { unsupportedFields } from './unsupported-fields.js';
