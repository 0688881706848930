import { messageOf } from '@podwright/core';
import { findHostProgram, type HostExecutor, type HostProgram } from '@podwright/nsenter';
import { checkProgramVersion, minimumVersions, type OciProgram, type RuntimeFlavour } from '@podwright/oci';
import { type Check, fail, ok } from './check.js';

/** @param programs what the parts of the runtime run, beside the OCI runtime and conmon */
export function programChecks(
  host: HostExecutor,
  flavour: RuntimeFlavour,
  programs: readonly HostProgram[],
): readonly Check[] {
  return [
    ...([flavour, 'conmon'] as const).map((program) => versionCheck(host, program)),
    ...programs.map((program) => programCheck(host, program)),
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

function programCheck(host: HostExecutor, program: HostProgram): Check {
  return {
    name: program.name,
    run: async () => {
      try {
        const { path, version } = await findHostProgram(host, program, { askVersion: true });
        return ok(version === undefined ? path : `${version} (${path})`);
      } catch (error) {
        return fail(messageOf(error), `apt-get install ${program.debianPackage}`);
      }
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
