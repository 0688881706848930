import { compareVersions, PodwrightError } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import type { RuntimeFlavour } from './oci-runtime-command.js';

/** Programs of this package whose versions are known. */
export type OciProgram = RuntimeFlavour | 'conmon';

/** The oldest versions that this package was run with: those of Debian 12, without their last number. */
export const minimumVersions: Readonly<Record<OciProgram, string>> = {
  crun: '1.8',
  runc: '1.1',
  conmon: '2.1',
};

/** The version in what `crun --version`, `runc --version` or `conmon --version` prints; undefined: it is in none. */
export function parseProgramVersion(program: OciProgram, output: string): string | undefined {
  return new RegExp(`^${program} version (\\d+(?:\\.\\d+)*)`, 'm').exec(output)?.[1];
}

/**
 * Asks a program for its version.
 * @param path absolute path on the host
 * @throws PodwrightError kind `missing-requirement` when it is too old, or is not that program; names what was found and
 *   what is needed
 */
export async function checkProgramVersion(
  executor: HostExecutor,
  program: OciProgram,
  path: string,
): Promise<string> {
  const { stdout, stderr } = await executor.run({
    command: path,
    args: ['--version'],
    okExitCodes: 'any',
    timeoutMs: 10_000,
  });
  const output = `${stdout}\n${stderr}`;
  const version = parseProgramVersion(program, output);
  const minimum = minimumVersions[program];
  if (version === undefined) {
    throw new PodwrightError(
      'missing-requirement',
      `${path} is no ${program}: asked for its version it said "${output.trim().slice(0, 200)}". ${program} ${minimum} or newer is needed.`,
      { details: { program, path, minimum } },
    );
  }
  if (compareVersions(version, minimum) < 0) {
    throw new PodwrightError(
      'missing-requirement',
      `${path} is ${program} ${version}, and ${minimum} or newer is needed: install a newer one, or configure its path.`,
      { details: { program, path, version, minimum } },
    );
  }
  return version;
}
