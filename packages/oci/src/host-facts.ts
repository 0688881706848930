import { readFile } from 'node:fs/promises';
import { PodwrightError, type Rlimit } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import type { OciHostFacts } from './build-oci-spec.js';
import { capabilitiesOfMask } from './capabilities.js';
import { APP_ARMOR_ENABLED, APP_ARMOR_PROFILES } from './mandatory-access.js';

/** Rows of /proc/PID/limits and the names that setrlimit(2) has for them. */
const LIMIT_ROWS: Readonly<Record<string, string>> = {
  'Max cpu time': 'RLIMIT_CPU',
  'Max file size': 'RLIMIT_FSIZE',
  'Max data size': 'RLIMIT_DATA',
  'Max stack size': 'RLIMIT_STACK',
  'Max core file size': 'RLIMIT_CORE',
  'Max resident set': 'RLIMIT_RSS',
  'Max processes': 'RLIMIT_NPROC',
  'Max open files': 'RLIMIT_NOFILE',
  'Max locked memory': 'RLIMIT_MEMLOCK',
  'Max address space': 'RLIMIT_AS',
  'Max file locks': 'RLIMIT_LOCKS',
  'Max pending signals': 'RLIMIT_SIGPENDING',
  'Max msgqueue size': 'RLIMIT_MSGQUEUE',
  'Max nice priority': 'RLIMIT_NICE',
  'Max realtime priority': 'RLIMIT_RTPRIO',
  'Max realtime timeout': 'RLIMIT_RTTIME',
};

/** Go's names for Node's, which seccomp profiles use. */
const GO_ARCH: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips: 'mips',
  mipsel: 'mipsle',
};

/**
 * Finds out what a container on this host can be given, by the host's first process, which starts all units.
 * @throws PodwrightError kind `missing-requirement` when the host's /proc cannot be read
 */
export async function readHostFacts(executor: HostExecutor): Promise<OciHostFacts> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(executor.hostPath(path), 'utf8');
    } catch (error) {
      throw new PodwrightError(
        'missing-requirement',
        `The host's ${path} cannot be read: Podwright needs the host's /proc, and the right to read it.`,
        { cause: error, details: { path } },
      );
    }
  };
  const optional = (path: string) => readFile(executor.hostPath(path), 'utf8').catch(() => undefined);
  const [status, limits, mounts, release, appArmor, profiles] = await Promise.all([
    read('/proc/1/status'),
    read('/proc/1/limits'),
    read('/proc/1/mounts'),
    read('/proc/sys/kernel/osrelease'),
    optional(APP_ARMOR_ENABLED),
    optional(APP_ARMOR_PROFILES),
  ]);
  return hostFacts({ status, limits, mounts, release, arch: process.arch, appArmor, profiles });
}

/** The same out of the texts of these files. */
export function hostFacts(texts: {
  readonly status: string;
  readonly limits: string;
  readonly mounts: string;
  readonly release: string;
  readonly arch: NodeJS.Architecture;
  readonly appArmor?: string | undefined;
  readonly profiles?: string | undefined;
}): OciHostFacts {
  return {
    capabilities: capabilitiesOfMask(/^CapBnd:\s*([0-9a-f]+)/m.exec(texts.status)?.[1] ?? '0'),
    cgroupVersion: /^\S+ \/sys\/fs\/cgroup cgroup2 /m.test(texts.mounts) ? 2 : 1,
    hardLimits: hardLimits(texts.limits),
    arch: GO_ARCH[texts.arch] ?? texts.arch,
    kernelVersion: /^\d+\.\d+/.exec(texts.release)?.[0] ?? '0.0',
    mandatoryAccess: {
      ...(texts.appArmor?.startsWith('Y') && { appArmorProfiles: loadedProfiles(texts.profiles ?? '') }),
      seLinux: /^\S+ \/sys\/fs\/selinux selinuxfs /m.test(texts.mounts),
    },
  };
}

/** Lines of APP_ARMOR_PROFILES: `name (mode)`. */
function loadedProfiles(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => /^(.+) \(\w+\)$/.exec(line)?.[1] ?? []);
}

/**
 * The resource limits in a text of /proc/PID/limits (proc(5)), of the kinds that setrlimit(2) has a name for; a value is
 * infinite where there is none.
 */
export function parseProcessLimits(text: string): readonly Rlimit[] {
  return text.split('\n').flatMap((line) => {
    const [, row = '', soft, hard] = /^(Max .+?) {2,}(\S+) +(\S+)/.exec(line) ?? [];
    const type = LIMIT_ROWS[row];
    return type === undefined ? [] : [{ type, soft: limitOf(soft), hard: limitOf(hard) }];
  });
}

function limitOf(text: string | undefined): number {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

function hardLimits(text: string): Readonly<Record<string, number>> {
  const limits = parseProcessLimits(text).map(({ type, hard }) => [type, hard] as const);
  return Object.fromEntries(limits.filter(([, hard]) => Number.isFinite(hard)));
}
