import { stat } from 'node:fs/promises';
import {
  type ContainerConfig,
  type ContainerResources,
  checkContainerResources,
  type Mount,
  messageOf,
  type PodSandboxConfig,
  PodwrightError,
  systemErrorCode,
  unsupportedField,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { HostFacilities } from './host-facilities.js';
import { RuntimeFacts } from './runtime-facts.js';
import { toCriSignal } from './to-cri-container.js';
import { seccompProfilePath } from './to-cri-security.js';
import { unsupportedFields } from './unsupported-fields.js';

/** Refuses what the runtime would leave out without a word, or fail at without words for people. */
@injectable()
export class ContainerCheck {
  constructor(
    @inject(RuntimeFacts) private readonly facts: RuntimeFacts,
    @inject(HostFacilities) private readonly host: HostFacilities,
    @inject(BackendLayoutToken) private readonly layout: BackendLayout,
  ) {}

  /** @throws PodwrightError kind `unsupported`, `invalid-argument`, `not-found` (a profile, a host path) */
  async config(config: ContainerConfig): Promise<void> {
    const { restart, rlimits = [], stopSignal, mounts, resources, metadata } = config;
    const what = `Container "${metadata.name}"`;
    if (restart.by === 'backend') {
      throw unsupportedField(
        unsupportedFields.supervisedRestart,
        `${what} cannot be restarted by the runtime, because the CRI has no restarts: use restart by the caller.`,
      );
    }
    if (rlimits.length > 0) {
      throw unsupportedField(
        unsupportedFields.rlimits,
        `${what} cannot have resource limits of its own: the CRI has none. Leave out rlimits.`,
      );
    }
    if (stopSignal !== undefined && toCriSignal(stopSignal) === undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `${what} has the stop signal "${stopSignal}", which is none.`,
      );
    }
    checkLogPath(config.logPath, what);
    await this.resources(resources, `container "${metadata.name}"`);
    await this.confinement(config, what);
    for (const mount of mounts) await this.mount(mount, what);
  }

  /** It takes stop signals, which the status of its containers does not tell, and limits of processes on any host. */
  get isOwnServer(): boolean {
    return this.facts.name === 'podwright';
  }

  /** @throws PodwrightError kind `invalid-argument`, `failed-precondition` */
  processes({ pid, pidTarget, metadata }: ContainerConfig, sandbox: Pick<PodSandboxConfig, 'pid'>): void {
    const what = `Container "${metadata.name}"`;
    if (pid !== undefined && pidTarget !== undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `${what} has one PID namespace: leave out pid "${pid}" or pidTarget ${pidTarget}.`,
      );
    }
    if (pid === 'node' && sandbox.pid !== 'node' && this.facts.name === 'containerd') {
      throw unsupportedField(
        unsupportedFields.nodeProcesses,
        `${what} cannot see the processes of the node: containerd has that for whole pods only. Make its pod with hostPID.`,
      );
    }
    if (pid !== 'pod' || sandbox.pid === 'pod') return;
    throw new PodwrightError(
      'failed-precondition',
      `${what} cannot share the processes of its pod: the pod was made without a PID namespace of its own.`,
    );
  }

  /** @param what whose they are */
  async resources(resources: ContainerResources, what: string): Promise<void> {
    checkContainerResources(resources, what);
    const pages = Object.values(resources.hugepageLimits ?? {}).some((bytes) => bytes > 0);
    if (pages && !(await this.host.hugePages())) {
      throw unsupportedField(
        unsupportedFields.hugePages,
        `The limit of huge pages of ${what} cannot be kept: the host has no cgroup controller hugetlb.`,
      );
    }
    if (resources.pidsLimit !== undefined && !this.isOwnServer && !(await this.host.unified())) {
      throw unsupportedField(
        unsupportedFields.pidsLimit,
        `The limit of processes of ${what} cannot be set through the CRI on a host without the unified cgroup ` +
          'hierarchy (v2). Set a default in the configuration of the runtime.',
      );
    }
    if (resources.swapLimitBytes !== undefined && !(await this.host.unified())) {
      throw unsupportedField(
        unsupportedFields.swapLimit,
        `A limit of swap alone (swapLimitBytes) of ${what} takes a host with the unified cgroup hierarchy (v2). Set ` +
          'memoryLimitBytes and memorySwapLimitBytes.',
      );
    }
  }

  private async confinement({ security }: ContainerConfig, what: string): Promise<void> {
    const { appArmor, seLinux, seccomp, supplementalGroupsPolicy } = security;
    if (appArmor !== undefined && appArmor.type !== 'Unconfined' && !(await this.host.appArmor())) {
      throw unsupportedField(
        unsupportedFields.appArmor,
        `${what} asks for an AppArmor profile, and the kernel of this host has no AppArmor.`,
      );
    }
    if (seLinux !== undefined && !(await this.host.seLinux())) {
      throw unsupportedField(
        unsupportedFields.seLinux,
        `${what} asks for an SELinux label, and the kernel of this host has no SELinux.`,
      );
    }
    if (supplementalGroupsPolicy === 'Strict' && !this.facts.supplementalGroupsPolicy) {
      throw unsupportedField(
        unsupportedFields.groupsPolicy,
        `${what} asks for supplementalGroupsPolicy Strict, and this runtime does not say that it can leave out the ` +
          'groups of the image (containerd 2.0 and CRI-O 1.31 can). Use an image without them, or the policy Merge.',
      );
    }
    const profile = seccompProfilePath(seccomp, this.layout.seccompProfileRoot);
    if (profile !== undefined && !(await isThere(profile))) {
      throw new PodwrightError('not-found', `${what}: there is no seccomp profile ${profile}.`, {
        details: { path: profile },
      });
    }
  }

  private async mount({ hostPath, createHostPath, recursiveReadOnly, subPath }: Mount, what: string) {
    if (recursiveReadOnly === true && !this.facts.recursiveReadOnly) {
      throw unsupportedField(
        unsupportedFields.recursiveReadOnly,
        `${what}: what is mounted below ${hostPath} cannot be made read-only too; this runtime does not say that it can ` +
          '(containerd 2.0 and CRI-O 1.30 can).',
      );
    }
    if (createHostPath === true || subPath) return;
    if (await isThere(hostPath)) return;
    throw new PodwrightError(
      'not-found',
      `${what}: there is nothing at ${hostPath} on the host to be mounted. Create it first.`,
      { details: { path: hostPath } },
    );
  }
}

function checkLogPath(path: string | undefined, what: string): void {
  if (path === undefined || (path.startsWith('/') && !path.endsWith('/'))) return;
  throw new PodwrightError(
    'invalid-argument',
    `${what} has the logPath "${path}": it has to be the absolute path of a file.`,
    { details: { path } },
  );
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error))) return false;
    throw new PodwrightError('failed-precondition', `${path} cannot be looked at: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
