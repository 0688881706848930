import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { type OciPrograms, OciRuntime } from '@podwright/oci';
import { inject, injectable } from 'inversify';

/** What units run: programs of the host by their absolute paths. */
export interface Tools extends OciPrograms {
  readonly sh: string;
  readonly unshare: string;
}

/** Programs that the scripts of a unit call by their names. */
const CALLED_BY_NAME = ['mount', 'stat', 'systemd-notify', 'timeout', 'tail'];

const PACKAGES: Readonly<Record<string, string>> = {
  sh: 'dash',
  unshare: 'util-linux',
  mount: 'mount',
  stat: 'coreutils',
  timeout: 'coreutils',
  tail: 'coreutils',
  'systemd-notify': 'systemd',
};

/** Finds the programs of the host, once. */
@injectable()
export class HostTools {
  private found: Tools | undefined;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(OciRuntime) private readonly ociRuntime: OciRuntime,
  ) {}

  /** @throws PodwrightError kind `missing-requirement` that names the program, and its Debian package or version */
  async find(): Promise<Tools> {
    if (this.found) return this.found;
    for (const name of CALLED_BY_NAME) await this.require(name);
    this.found = {
      sh: await this.require('sh'),
      unshare: await this.require('unshare'),
      ...(await this.ociRuntime.find()),
    };
    return this.found;
  }

  private async require(name: string): Promise<string> {
    const path = await this.host.which(name);
    if (path !== undefined) return path;
    throw new PodwrightError(
      'missing-requirement',
      `The program ${name} is not on this host. On Debian and Ubuntu: apt-get install ${PACKAGES[name] ?? name}; ` +
        (CALLED_BY_NAME.includes(name)
          ? 'it has to be in the $PATH that systemd gives to units.'
          : 'if it lies outside $PATH, name its path in backendOptions.binaries.'),
      { details: { program: name } },
    );
  }
}
