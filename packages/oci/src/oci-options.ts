import type { ServiceIdentifier } from 'inversify';
import type { ExecHandlerKind } from './exec-handler.js';
import type { RuntimeFlavour } from './oci-runtime-command.js';

/** How this package is set up, after defaults. */
export interface OciOptions {
  readonly flavour: RuntimeFlavour;
  /** Name or absolute path on the host of the OCI runtime. */
  readonly runtime: string;
  /** Name or absolute path on the host of conmon. */
  readonly conmon: string;
  /** Where the runtime keeps its state; absent: its own default. */
  readonly runtimeRoot?: string;
  /** The host's default seccomp profile. */
  readonly seccompProfile: string;
  /** Below it lie the profiles that are named by relative paths. */
  readonly seccompProfileRoot: string;
  /** How commands enter containers: through the OCI runtime, or by the PID of their first process. */
  readonly execHandler: ExecHandlerKind;
  /** With `nsenter`: root may go without the container's seccomp filter and labels, which are not reapplied. */
  readonly allowUnconfined: boolean;
}

export const OciOptions: ServiceIdentifier<OciOptions> = Symbol.for('podwright.oci.OciOptions');
