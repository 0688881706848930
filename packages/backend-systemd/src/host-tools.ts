import {
  findHostProgram,
  HostExecutor,
  type HostProgram,
  type UsesHostPrograms,
  utilLinux,
} from '@podwright/nsenter';
import { type OciPrograms, OciRuntime } from '@podwright/oci';
import { inject, injectable } from 'inversify';

/** What units run: programs of the host by their absolute paths. */
export interface Tools extends OciPrograms {
  readonly sh: string;
  readonly unshare: string;
}

const SH: HostProgram = { name: 'sh', debianPackage: 'dash' };
const UNSHARE = utilLinux('unshare');

/** Programs that the scripts of a unit call by their names. */
const CALLED_BY_NAME: readonly HostProgram[] = [
  ...['mount', 'umount'].map((name) => ({ name, debianPackage: 'mount' })),
  ...['stat', 'timeout', 'tail', 'head', 'tr', 'date', 'cp', 'readlink', 'chown'].map((name) => ({
    name,
    debianPackage: 'coreutils',
  })),
  { name: 'systemd-notify', debianPackage: 'systemd' },
].map((program) => ({ ...program, hint: 'It has to be in the $PATH that systemd gives to units.' }));

/** Finds the programs of the host that units run, once. */
@injectable()
export class HostTools implements UsesHostPrograms {
  private found: Tools | undefined;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(OciRuntime) private readonly ociRuntime: OciRuntime,
  ) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [SH, UNSHARE, ...CALLED_BY_NAME];
  }

  /** @throws PodwrightError kind `missing-requirement` that names the program, its version and its Debian package */
  async find(): Promise<Tools> {
    if (this.found) return this.found;
    const [oci, sh, unshare] = await Promise.all([
      this.ociRuntime.find(),
      findHostProgram(this.host, SH),
      findHostProgram(this.host, UNSHARE),
    ]);
    this.found = { ...oci, sh: sh.path, unshare: unshare.path };
    return this.found;
  }
}
