import { readFile } from 'node:fs/promises';
import { compareVersions, PodwrightError, unsupportedField } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { SystemdBackendOptions } from './backend-options.js';
import { unsupportedFields } from './unsupported-fields.js';

/** The first kernel that shows a tmpfs with other ids, where volumes of ConfigMaps and Secrets lie; Kubernetes asks for it too. */
const KERNEL = '6.3';

/** Whether this host can give pods user namespaces of their own, without changing the owner of a file. */
@injectable()
export class UserNamespaces {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
  ) {}

  async isPossible(): Promise<boolean> {
    return (await this.problem()) === undefined;
  }

  /** @throws PodwrightError kind `unsupported`, `missing-requirement` */
  async check(): Promise<void> {
    const problem = await this.problem();
    if (problem !== undefined) throw problem;
  }

  private async problem(): Promise<PodwrightError | undefined> {
    const message = (why: string) => `A pod cannot have users of its own here (hostUsers: false): ${why}.`;
    const refused = (why: string) => unsupportedField(unsupportedFields.userNamespaces, message(why));
    if (this.options.ociRuntime !== 'crun') {
      return refused(`${this.options.ociRuntime} shows no mounts with other ids; set ociRuntime to crun`);
    }
    const [release, most] = await Promise.all([
      this.read('/proc/sys/kernel/osrelease'),
      this.read('/proc/sys/user/max_user_namespaces'),
    ]);
    const kernel = /^\d+(\.\d+){0,2}/.exec(release)?.[0] ?? '0';
    if (compareVersions(kernel, KERNEL) < 0) {
      return refused(`the kernel is ${kernel}, and idmapped mounts of every volume take ${KERNEL} or newer`);
    }
    if (!(Number(most) > 0)) {
      return refused('the kernel makes no user namespaces; raise user.max_user_namespaces');
    }
    if ((await this.host.which('perl')) === undefined) {
      return new PodwrightError(
        'missing-requirement',
        message('perl is missing, which mounts the layers; install perl-base'),
      );
    }
    return undefined;
  }

  private async read(path: string): Promise<string> {
    return await readFile(this.host.hostPath(path), 'utf8').catch(() => '');
  }
}
