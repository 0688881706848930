import { join } from 'node:path';
import { compareVersions, PodwrightError } from '@podwright/core';
import type { HostExecutor } from './host-executor.js';

/** A program that has to be on the host. */
export interface HostProgram {
  readonly name: string;
  /** Of Debian and Ubuntu. */
  readonly debianPackage: string;
  /** Absolute directories where it has to lie; absent: its configured path, or `$PATH`. */
  readonly directories?: readonly string[];
  /** What more than installing it there is to do; absent: where it is looked for. */
  readonly hint?: string;
  /** How it tells its version. */
  readonly version?: {
    readonly args: readonly string[];
    /** The oldest that will do; absent: any will, and a start need not ask. */
    readonly minimum?: string;
  };
}

/** Where a program is, and its version where it was asked for one. */
export interface FoundHostProgram {
  readonly path: string;
  readonly version: string | undefined;
}

/**
 * A part of a runtime that runs programs of the host. Whoever starts the runtime asks its parts, so that a part that is
 * rebound takes its requirements along.
 */
export interface UsesHostPrograms {
  hostPrograms(): Promise<readonly HostProgram[]>;
}

/** What these parts need together, each program once. @param parts those that say nothing of programs need none */
export async function hostProgramsOf(parts: readonly object[]): Promise<readonly HostProgram[]> {
  const programs = new Map<string, HostProgram>();
  for (const part of parts) {
    if (!usesHostPrograms(part)) continue;
    for (const program of await part.hostPrograms()) {
      const key = JSON.stringify([program.name, program.directories]);
      const known = programs.get(key);
      if (known?.version?.minimum === undefined || isStricter(program, known)) programs.set(key, program);
    }
  }
  return [...programs.values()];
}

/**
 * Finds a program, and checks its version if that matters.
 * @param options `askVersion`: asks also when any version will do; one that cannot be read is undefined then
 * @throws PodwrightError kind `missing-requirement` that names the program, what was found, what is needed, and the
 *   Debian package
 */
export async function findHostProgram(
  host: HostExecutor,
  program: HostProgram,
  { askVersion = false }: { readonly askVersion?: boolean } = {},
): Promise<FoundHostProgram> {
  const { name, version } = program;
  const minimum = version?.minimum;
  const path = await pathOf(host, program);
  if (path === undefined) throw missing(program, `${name} is not on this host${needed(minimum)}`);
  if (version === undefined || (minimum === undefined && !askVersion)) return { path, version: undefined };
  const { stdout, stderr } = await host.run({
    command: path,
    args: version.args,
    okExitCodes: 'any',
    timeoutMs: 10_000,
  });
  const output = `${stdout}\n${stderr}`;
  const found = /\d+(?:\.\d+)+|(?<=systemd )\d+/.exec(output)?.[0];
  if (minimum === undefined) return { path, version: found };
  if (found === undefined) {
    const said = output.trim().slice(0, 200);
    throw missing(program, `${path} does not tell its version but says "${said}"${needed(minimum)}`, {
      path,
    });
  }
  if (compareVersions(found, minimum) < 0) {
    throw missing(program, `${path} is ${name} ${found}${needed(minimum)}`, { path, version: found });
  }
  return { path, version: found };
}

async function pathOf(host: HostExecutor, { name, directories }: HostProgram): Promise<string | undefined> {
  if (directories === undefined) return await host.which(name);
  for (const directory of directories) {
    const path = await host.which(join(directory, name));
    if (path !== undefined) return path;
  }
  return undefined;
}

function needed(minimum: string | undefined): string {
  return minimum === undefined ? '' : `, and version ${minimum} or newer is needed`;
}

function missing(
  { name, debianPackage, directories, hint, version }: HostProgram,
  what: string,
  details: Readonly<Record<string, unknown>> = {},
): PodwrightError {
  const where =
    directories === undefined
      ? 'If it lies outside $PATH, name its path in backendOptions.binaries.'
      : `It is looked for in ${directories.join(', ')}.`;
  return new PodwrightError(
    'missing-requirement',
    `${what}. On Debian and Ubuntu: apt-get install ${debianPackage}. ${hint ?? where}`,
    { details: { program: name, debianPackage, minimum: version?.minimum, ...details } },
  );
}

function usesHostPrograms(part: object): part is UsesHostPrograms {
  return 'hostPrograms' in part && typeof part.hostPrograms === 'function';
}

function isStricter({ version }: HostProgram, { version: known }: HostProgram): boolean {
  return (
    version?.minimum !== undefined &&
    known?.minimum !== undefined &&
    compareVersions(version.minimum, known.minimum) > 0
  );
}
