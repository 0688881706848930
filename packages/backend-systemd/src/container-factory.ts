import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { Clock, type ContainerConfig, PodwrightError, throwIfAborted } from '@podwright/core';
import { ImagePins, ImageStore, type StoredImage, StoreLocks } from '@podwright/images';
import { HostExecutor } from '@podwright/nsenter';
import {
  buildOciSpec,
  conmonCommand,
  deviceAllowList,
  type OciHostFacts,
  readAllDeviceNodes,
  readDeviceNodes,
  readHostFacts,
  resolveUser,
  runtimeGlobalArgs,
  SeccompProfiles,
  stopSignal,
} from '@podwright/oci';
import type { SandboxRecord } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import { SystemdBackendOptions } from './backend-options.js';
import { CompiledSeccomp } from './compiled-seccomp.js';
import { checkLogPath } from './container-log-files.js';
import type { ContainerRecord } from './container-record.js';
import { ContainerStore } from './container-store.js';
import { isForwarded } from './container-unit.js';
import { HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';
import { ImageUserFiles } from './image-user-files.js';
import { type LaunchMounts, launchMounts } from './launch-mounts.js';
import { type LaunchInput, launchScript, recordScript, stopScript } from './launch-scripts.js';
import { MountSharing } from './mount-sharing.js';
import { ociSandbox } from './oci-sandbox.js';
import { PidTargets, type TargetNamespace } from './pid-target.js';
import { checkRecursiveReadOnly } from './recursive-read-only.js';
import { takesUnwritable } from './runtime-mount.js';
import { terminationMount } from './termination-message.js';
import { checkPropagation, launchPaths, launchUsers } from './user-namespace-launch.js';

interface BuildInput {
  readonly id: string;
  readonly sandbox: SandboxRecord;
  readonly config: ContainerConfig;
  readonly stored: StoredImage;
}

/** Makes containers: everything that their units need, on disk; nothing runs yet. */
@injectable()
export class ContainerFactory {
  private facts: OciHostFacts | undefined;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ImageStore) private readonly images: ImageStore,
    @inject(StoreLocks) private readonly imageLocks: StoreLocks,
    @inject(ImagePins) private readonly pins: ImagePins,
    @inject(ImageUserFiles) private readonly userFiles: ImageUserFiles,
    @inject(SeccompProfiles) private readonly seccomp: SeccompProfiles,
    @inject(CompiledSeccomp) private readonly compiledSeccomp: CompiledSeccomp,
    @inject(PidTargets) private readonly pidTargets: PidTargets,
    @inject(MountSharing) private readonly sharing: MountSharing,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** @throws PodwrightError kind `image-not-found`, `invalid-argument`, `missing-requirement`, `unsupported`, `no-space` */
  async create(
    sandbox: SandboxRecord,
    slice: string,
    config: ContainerConfig,
    signal?: AbortSignal,
  ): Promise<ContainerRecord> {
    const found = await this.findImage(config.image, signal);
    // Until the record is written nothing else tells that the image is in use.
    using _lease = await this.imageLocks.shared([found.image.id], signal);
    const stored = await this.findImage(found.image.id, signal);
    const id = randomBytes(32).toString('hex');
    const built = await this.build({ id, sandbox, config, stored });
    throwIfAborted(signal);
    const record: ContainerRecord = {
      id,
      sandboxId: sandbox.id,
      podUid: sandbox.metadata.uid,
      createdAtMs: this.clock.nowMs(),
      imageId: stored.image.id,
      slice,
      deviceAllow: built.deviceAllow,
      stopSignal: built.stopSignal,
      user: built.user,
      config,
    };
    await this.store.add(record, built.files);
    // Not waited for: it takes longer than making the container, and saves the image from other programs only.
    void this.pins.hold(stored.image.id);
    return record;
  }

  private async findImage(reference: string, signal: AbortSignal | undefined): Promise<StoredImage> {
    const stored = await this.images.resolve(reference, signal === undefined ? {} : { signal });
    if (stored) return stored;
    throw new PodwrightError(
      'image-not-found',
      `The image ${reference} is not in the store of this host: pull it first.`,
      { details: { image: reference } },
    );
  }

  private async build({ id, sandbox, config, stored }: BuildInput) {
    const facts = await this.hostFacts();
    const paths = launchPaths(this.layout.container(id), sandbox);
    const { config: image, lowerDirs } = stored;
    if (lowerDirs.length === 0) {
      throw new PodwrightError('unsupported', `The image ${config.image} has no layer to run anything of.`);
    }
    const { security, pidTarget, logPath } = config;
    if (logPath !== undefined) checkLogPath(logPath);
    if (pidTarget !== undefined && config.pid !== undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `The container is to have the PID namespace of container ${pidTarget} (pidTarget) and another one (pid: ${config.pid}): leave one of them out.`,
      );
    }
    const pidNamespace = pidTarget === undefined ? undefined : await this.pidTargets.find(pidTarget, sandbox);
    const { runtime } = await this.tools.find();
    const userFiles = await this.userFiles.of(stored.image.id, lowerDirs);
    const user = resolveUser(userFiles, image.config?.User, security);
    const deviceNodes = security.privileged
      ? await readAllDeviceNodes(this.host)
      : await readDeviceNodes(this.host, config.devices);
    const seccomp = await this.seccomp.load(security, facts);
    const compiled = seccomp && this.compiledSeccomp.of(seccomp, runtime);
    checkRecursiveReadOnly(config.mounts);
    checkPropagation(config.mounts, sandbox);
    await this.sharing.check(config.mounts);
    const mounts = launchMounts(config.mounts, image.config, paths);
    const spec = buildOciSpec({
      config: { ...config, mounts: [...mounts.mounts, ...terminationMount(config, paths)] },
      sandbox: ociSandbox(sandbox, { mode: config.pid, target: pidNamespace?.path }),
      image,
      user,
      rootfsPath: paths.rootfs,
      deviceNodes,
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(compiled === undefined ? {} : { compiledSeccomp: compiled }),
      host: facts,
    });
    const signal = stopSignal(config, image);
    const launch = await this.launchInput({ id, sandbox, config, lowerDirs, mounts, signal, pidNamespace });
    return {
      deviceAllow: deviceAllowList({ config, deviceNodes }, runtime.flavour),
      stopSignal: signal,
      user: { uid: user.uid, gid: user.gid, supplementalGroups: user.additionalGids },
      files: {
        ociConfig: JSON.stringify(spec),
        launch: launchScript(launch),
        record: recordScript(launch),
        ...(launch.stopSignal === undefined ? {} : { stop: stopScript(launch) }),
      },
    };
  }

  private async hostFacts(): Promise<OciHostFacts> {
    if (this.facts !== undefined) return this.facts;
    const facts = await readHostFacts(this.host);
    const { appArmorProfile: appArmorDefault } = this.options;
    const mandatoryAccess = {
      ...facts.mandatoryAccess,
      ...(appArmorDefault === undefined ? {} : { appArmorDefault }),
    };
    this.facts = { ...facts, mandatoryAccess };
    return this.facts;
  }

  private async launchInput({
    id,
    sandbox,
    config,
    lowerDirs,
    mounts,
    signal,
    pidNamespace,
  }: {
    readonly id: string;
    readonly sandbox: SandboxRecord;
    readonly config: ContainerConfig;
    readonly lowerDirs: readonly string[];
    readonly mounts: LaunchMounts;
    readonly signal: string;
    readonly pidNamespace: TargetNamespace | undefined;
  }): Promise<LaunchInput> {
    const paths = launchPaths(this.layout.container(id), sandbox);
    const users = launchUsers(sandbox);
    const { conmon, runtime } = await this.tools.find();
    const { namespace, name } = sandbox.metadata;
    const command = conmonCommand({
      conmonPath: conmon.path,
      runtime,
      id,
      name: `${namespace}_${name}_${config.metadata.name}`,
      bundle: paths.bundle,
      containerPidFile: paths.pidFile,
      conmonPidFile: paths.conmonPidFile,
      runtimeLogFile: paths.createLog,
      exitDir: paths.exitDir,
      ...(config.logPath === undefined ? {} : { k8sLogPath: config.logPath }),
      ...streamOptions(config),
    });
    return {
      id,
      paths,
      lowerDirs,
      mounts,
      directories: hostDirectories(config),
      conmon: [command.command, ...command.args],
      runtime: [runtime.path, ...runtimeGlobalArgs(runtime)],
      ...(takesUnwritable(runtime.flavour) ? { mountedRuntime: this.layout.mountedRuntime } : {}),
      backoff: this.options.restartBackoff,
      ...(isForwarded(signal) ? {} : { stopSignal: signal }),
      terminationGraceMs: config.terminationGraceMs,
      ...(sandbox.persist ? { persist: true } : {}),
      ...(config.terminationMessage ? { terminationMessage: config.terminationMessage } : {}),
      ...(users === undefined ? {} : { users }),
      ...(pidNamespace === undefined ? {} : { pidNamespace: pidNamespace.link }),
    };
  }
}

/** Directories of the host that are made for a container where nothing is there. */
function hostDirectories({ logPath, mounts }: ContainerConfig): readonly string[] {
  const wanted = mounts.filter(({ createHostPath }) => createHostPath === true);
  return [...(logPath === undefined ? [] : [dirname(logPath)]), ...wanted.map(({ hostPath }) => hostPath)];
}

/** What conmon does with the container's standard streams. */
function streamOptions({ stdin = false, stdinOnce = false, tty = false }: ContainerConfig) {
  return { stdin, leaveStdinOpen: stdin && !stdinOnce, terminal: tty };
}
