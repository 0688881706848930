import { messageOf } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { checkProgramVersion, minimumVersions, type OciProgram, type RuntimeFlavour } from '@podwright/oci';
import { type Check, fail, ok, warn } from './check.js';

/** A program of the host. */
interface Program {
  readonly name: string;
  /** Of Debian and Ubuntu. */
  readonly debianPackage: string;
  /** What does not work without it; absent: no pod runs. */
  readonly onlyFor?: string;
  /** Arguments that make it print its version. */
  readonly versionArgs?: readonly string[];
}

const VERSION = ['--version'];

/** Beside the OCI runtime and conmon, whose versions are known. */
const PROGRAMS: readonly Program[] = [
  { name: 'skopeo', debianPackage: 'skopeo', versionArgs: VERSION },
  { name: 'containers-storage', debianPackage: 'containers-storage', versionArgs: ['version'] },
  { name: 'journalctl', debianPackage: 'systemd', versionArgs: VERSION },
  { name: 'nsenter', debianPackage: 'util-linux', versionArgs: VERSION },
  { name: 'unshare', debianPackage: 'util-linux', versionArgs: VERSION },
  { name: 'mount', debianPackage: 'mount', versionArgs: VERSION },
  { name: 'umount', debianPackage: 'mount' },
  { name: 'mountpoint', debianPackage: 'util-linux' },
  { name: 'sh', debianPackage: 'dash' },
  { name: 'mkfifo', debianPackage: 'coreutils' },
  { name: 'stat', debianPackage: 'coreutils' },
  { name: 'timeout', debianPackage: 'coreutils' },
  { name: 'tail', debianPackage: 'coreutils' },
  { name: 'systemd-notify', debianPackage: 'systemd' },
  { name: 'socat', debianPackage: 'socat', onlyFor: 'port-forward', versionArgs: ['-V'] },
  { name: 'script', debianPackage: 'bsdutils', onlyFor: 'exec -t', versionArgs: VERSION },
  { name: 'tar', debianPackage: 'tar', onlyFor: 'cp', versionArgs: VERSION },
];

export function programChecks(host: HostExecutor, flavour: RuntimeFlavour): readonly Check[] {
  return [
    ...([flavour, 'conmon'] as const).map((program) => versionCheck(host, program)),
    ...PROGRAMS.map((program) => presenceCheck(host, program)),
    { name: 'packet filter', run: () => findPacketFilter(host) },
  ];
}

function versionCheck(host: HostExecutor, program: OciProgram): Check {
  const minimum = minimumVersions[program];
  return {
    name: program,
    run: async () => {
      const fix = `apt-get install ${program} (${minimum} or newer), or set backendOptions.binaries.${program}`;
      const path = await host.which(program);
      if (path === undefined) return fail('not found', fix);
      try {
        return ok(`${await checkProgramVersion(host, program, path)} (${path})`);
      } catch (error) {
        return fail(messageOf(error), fix);
      }
    },
  };
}

function presenceCheck(host: HostExecutor, { name, debianPackage, onlyFor, versionArgs }: Program): Check {
  return {
    name,
    run: async () => {
      const path = await host.which(name);
      if (path === undefined) {
        const fix = `apt-get install ${debianPackage}`;
        return onlyFor === undefined
          ? fail('not found', fix)
          : warn(`not found: ${onlyFor} does not work`, fix);
      }
      const version = versionArgs === undefined ? undefined : await versionOf(host, path, versionArgs);
      return ok(version === undefined ? path : `${version} (${path})`);
    },
  };
}

/** The bridge plugin masquerades and portmap redirects with one of the two. */
async function findPacketFilter(host: HostExecutor) {
  const found: string[] = [];
  for (const name of ['nft', 'iptables']) {
    const path = await host.which(name);
    if (path !== undefined) found.push(path);
  }
  if (found.length > 0) return ok(found.join(', '));
  return fail('neither nft nor iptables was found', 'apt-get install nftables iptables');
}

/** The first version number in what it prints; undefined: none. */
async function versionOf(
  host: HostExecutor,
  path: string,
  args: readonly string[],
): Promise<string | undefined> {
  const { stdout } = await host.run({ command: path, args, okExitCodes: 'any', timeoutMs: 10_000 });
  return /\d+(?:\.\d+)+|(?<=systemd )\d+/.exec(stdout.toString('utf8'))?.[0];
}
