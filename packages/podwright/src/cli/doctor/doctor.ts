import { HostRequirements, systemdBackendOptionsSchema } from '@podwright/backend-systemd';
import { ImageService, PodwrightError } from '@podwright/core';
import { HostExecutor, Nsenter } from '@podwright/nsenter';
import { PodNetwork } from '@podwright/sandbox';
import { SystemdManager } from '@podwright/systemd';
import type { ResolvedRuntimeConfig } from '../../runtime-config.js';
import type { CliContext } from '../cli-context.js';
import type { FormatFlags } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { formatFindings } from '../format/findings.js';
import { note, printData, write } from '../output.js';
import { type Check, type CheckResult, runChecks } from './check.js';
import { checkUser, hostChecks } from './host-checks.js';
import { inContainerChecks } from './in-container-checks.js';
import { programChecks } from './program-checks.js';

export interface DoctorFlags extends FormatFlags {
  readonly inContainer?: boolean | string;
}

const DEFAULT_HOST_ROOT = '/rootfs';

export async function doctor(context: CliContext, flags: DoctorFlags): Promise<number> {
  if (context.config.backend !== 'systemd') {
    await note(context, `the backend ${context.config.backend} has no requirements that are known here.`);
    return ExitCode.ok;
  }
  const results = await runChecks(await checksOf(context, flags));
  if (flags.output !== undefined) await printData(context, flags.output, results);
  else await write(context.stdout, formatFindings(results));
  return exitCodeOf(results);
}

function exitCodeOf(results: readonly CheckResult[]): number {
  return results.some(({ state }) => state === 'fail') ? ExitCode.failure : ExitCode.ok;
}

async function checksOf(context: CliContext, flags: DoctorFlags): Promise<readonly Check[]> {
  const config = withContainer(context.config, flags.inContainer);
  const container = await context.createContainer(config);
  const options = systemdBackendOptionsSchema.parse(config.backendOptions);
  const host = container.get(HostExecutor);
  return [
    { name: 'user', run: async () => checkUser() },
    ...(options.inContainer === undefined
      ? []
      : inContainerChecks(container.get(Nsenter), options.inContainer.hostRoot)),
    ...hostChecks({
      config,
      options,
      host,
      manager: container.get(SystemdManager),
      network: container.get(PodNetwork),
      images: container.get(ImageService),
    }),
    ...programChecks(host, options.ociRuntime, await container.get(HostRequirements).programs()),
  ];
}

function withContainer(
  config: ResolvedRuntimeConfig,
  inContainer: boolean | string | undefined,
): ResolvedRuntimeConfig {
  if (inContainer === undefined || inContainer === false) return config;
  const hostRoot = inContainer === true ? DEFAULT_HOST_ROOT : inContainer;
  if (!hostRoot.startsWith('/')) {
    throw new PodwrightError(
      'invalid-argument',
      `--in-container is "${hostRoot}": it has to be an absolute path.`,
    );
  }
  return { ...config, backendOptions: { ...config.backendOptions, inContainer: { hostRoot } } };
}
