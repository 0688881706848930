import { compareVersions, PodwrightError } from '@podwright/core';
import type { OciSeccomp, OciSyscallRule } from './runtime-spec.js';

/** Facts that the conditions of a profile are about. */
export interface SeccompFacts {
  /** The container's own, with `CAP_`. */
  readonly capabilities: readonly string[];
  /** As Go names it: `amd64`, `arm64`. */
  readonly arch: string;
  /** `6.1` and so on. */
  readonly kernelVersion: string;
}

/** libseccomp's names for Go's. */
const SECCOMP_ARCH: Readonly<Record<string, string>> = {
  amd64: 'SCMP_ARCH_X86_64',
  '386': 'SCMP_ARCH_X86',
  arm64: 'SCMP_ARCH_AARCH64',
  arm: 'SCMP_ARCH_ARM',
  ppc64le: 'SCMP_ARCH_PPC64LE',
  s390x: 'SCMP_ARCH_S390X',
  riscv64: 'SCMP_ARCH_RISCV64',
  loong64: 'SCMP_ARCH_LOONGARCH64',
  mips: 'SCMP_ARCH_MIPS',
  mipsle: 'SCMP_ARCH_MIPSEL',
};

/** Profiles write some architectures otherwise than Go. */
const PROFILE_ARCH: Readonly<Record<string, string>> = { '386': 'x86', mipsle: 'mipsel' };

/**
 * Resolves a seccomp profile: one with conditions as containers/common and Docker write it, or a plain OCI one, which
 * comes out as it is.
 * @param profile the parsed JSON
 * @param where how a person finds the profile, for the error
 * @throws PodwrightError kind `invalid-argument` when it is no such profile
 */
export function resolveSeccomp(profile: unknown, facts: SeccompFacts, where = 'the profile'): OciSeccomp {
  const read = new ProfileReader(where);
  const root = read.object(profile, 'the whole');
  const syscalls: OciSyscallRule[] = [];
  for (const [index, item] of read.list(root['syscalls'], 'syscalls').entries()) {
    const path = `syscalls[${index}]`;
    const rule = read.object(item, path);
    const includes = read.object(rule['includes'] ?? {}, `${path}.includes`);
    const excludes = read.object(rule['excludes'] ?? {}, `${path}.excludes`);
    if (!included(read, includes, facts, path) || excluded(read, excludes, facts, path)) continue;
    // Docker's older form has `name` for one.
    const names =
      rule['name'] === undefined
        ? read.texts(rule['names'], `${path}.names`)
        : [read.text(rule['name'], `${path}.name`)];
    const args = read.list(rule['args'], `${path}.args`).map((argument, at) => {
      const here = `${path}.args[${at}]`;
      const fields = read.object(argument, here);
      return {
        index: read.number(fields['index'], `${here}.index`),
        value: read.number(fields['value'], `${here}.value`),
        valueTwo: read.number(fields['valueTwo'] ?? 0, `${here}.valueTwo`),
        op: read.text(fields['op'], `${here}.op`),
      };
    });
    syscalls.push({
      names,
      action: read.text(rule['action'], `${path}.action`),
      ...(rule['errnoRet'] !== undefined && {
        errnoRet: read.number(rule['errnoRet'], `${path}.errnoRet`),
      }),
      ...(args.length > 0 && { args }),
    });
  }
  const architectures = resolveArchitectures(read, root, facts.arch);
  const flags = read.texts(root['flags'], 'flags');
  return {
    defaultAction: read.text(root['defaultAction'], 'defaultAction'),
    ...(root['defaultErrnoRet'] !== undefined && {
      defaultErrnoRet: read.number(root['defaultErrnoRet'], 'defaultErrnoRet'),
    }),
    ...(architectures.length > 0 && { architectures }),
    ...(flags.length > 0 && { flags }),
    syscalls,
  };
}

function resolveArchitectures(
  read: ProfileReader,
  root: Readonly<Record<string, unknown>>,
  arch: string,
): readonly string[] {
  const plain = read.texts(root['architectures'], 'architectures');
  if (plain.length > 0 || root['archMap'] === undefined) return plain;
  const own = SECCOMP_ARCH[arch];
  for (const [index, item] of read.list(root['archMap'], 'archMap').entries()) {
    const entry = read.object(item, `archMap[${index}]`);
    if (entry['architecture'] !== own) continue;
    return [
      read.text(entry['architecture'], `archMap[${index}].architecture`),
      ...read.texts(entry['subArchitectures'], `archMap[${index}].subArchitectures`),
    ];
  }
  return own === undefined ? [] : [own];
}

/** All conditions have to hold; of architectures and capabilities: any of the architectures, all of the capabilities. */
function included(
  read: ProfileReader,
  includes: Readonly<Record<string, unknown>>,
  facts: SeccompFacts,
  path: string,
): boolean {
  const arches = read.texts(includes['arches'], `${path}.includes.arches`);
  const caps = read.texts(includes['caps'], `${path}.includes.caps`);
  if (arches.length > 0 && !arches.includes(profileArch(facts.arch))) return false;
  if (!caps.every((name) => facts.capabilities.includes(name))) return false;
  return includes['minKernel'] === undefined || reaches(read, includes['minKernel'], facts, path);
}

/** One condition that holds is enough. */
function excluded(
  read: ProfileReader,
  excludes: Readonly<Record<string, unknown>>,
  facts: SeccompFacts,
  path: string,
): boolean {
  const arches = read.texts(excludes['arches'], `${path}.excludes.arches`);
  const caps = read.texts(excludes['caps'], `${path}.excludes.caps`);
  if (arches.includes(profileArch(facts.arch))) return true;
  if (caps.some((name) => facts.capabilities.includes(name))) return true;
  return excludes['minKernel'] !== undefined && reaches(read, excludes['minKernel'], facts, path);
}

function profileArch(arch: string): string {
  return PROFILE_ARCH[arch] ?? arch;
}

function reaches(read: ProfileReader, minimum: unknown, facts: SeccompFacts, path: string): boolean {
  return compareVersions(facts.kernelVersion, read.text(minimum, `${path}.minKernel`)) >= 0;
}

/** Reads fields of a profile and says where one is not what it has to be. */
class ProfileReader {
  constructor(private readonly where: string) {}

  object(value: unknown, path: string): Readonly<Record<string, unknown>> {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    return this.fail(path, 'an object');
  }

  /** Absent and null count as empty, as Go's JSON has them. */
  list(value: unknown, path: string): readonly unknown[] {
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value : this.fail(path, 'a list');
  }

  texts(value: unknown, path: string): readonly string[] {
    return this.list(value, path).map((item, index) => this.text(item, `${path}[${index}]`));
  }

  text(value: unknown, path: string): string {
    return typeof value === 'string' ? value : this.fail(path, 'a text');
  }

  number(value: unknown, path: string): number {
    return typeof value === 'number' && value >= 0 ? value : this.fail(path, 'a number');
  }

  private fail(path: string, what: string): never {
    throw new PodwrightError(
      'invalid-argument',
      `The seccomp profile ${this.where} cannot be used: ${path} has to be ${what}.`,
      { details: { path } },
    );
  }
}
