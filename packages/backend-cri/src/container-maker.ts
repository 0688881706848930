import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type CallOptions,
  type ContainerConfig,
  KeyedMutex,
  Logger,
  type Mount,
  messageOf,
  type PodSandboxStatus,
  PodwrightError,
  pidModeOf,
  unsupportedField,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { ContainerCheck } from './container-check.js';
import { ContainerRemains } from './container-remains.js';
import { ContainerStates } from './container-states.js';
import { CriConnection } from './cri-connection.js';
import { CriSandboxes } from './cri-sandboxes.js';
import { type FoundImage, ImageLookup } from './image-lookup.js';
import { type ContainerRecord, type Made, RECORD_VERSION } from './records.js';
import { StateRecords } from './state-records.js';
import { StateWatcher } from './state-watcher.js';
import { TerminationMessages } from './termination-messages.js';
import { toCriContainer } from './to-cri-container.js';
import { toCriSandbox } from './to-cri-sandbox.js';
import { toCriNamespaces, toCriSecurity } from './to-cri-security.js';
import { unsupportedFields } from './unsupported-fields.js';
import { VolumeParts } from './volume-parts.js';

/** Makes containers through the runtime: a record first, so that what is left half made can be found and undone. */
@injectable()
export class ContainerMaker {
  private readonly mutex = new KeyedMutex();

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(BackendLayoutToken) private readonly layout: BackendLayout,
    @inject(CriSandboxes) private readonly sandboxes: CriSandboxes,
    @inject(ContainerCheck) private readonly check: ContainerCheck,
    @inject(ImageLookup) private readonly images: ImageLookup,
    @inject(TerminationMessages) private readonly messages: TerminationMessages,
    @inject(VolumeParts) private readonly parts: VolumeParts,
    @inject(ContainerRemains) private readonly remains: ContainerRemains,
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(StateWatcher) private readonly watcher: StateWatcher,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async create(sandboxId: string, config: ContainerConfig, options: CallOptions): Promise<string> {
    const sandbox = await this.sandboxes.status(sandboxId, options);
    const { name, attempt } = config.metadata;
    if (sandbox.state !== 'ready') {
      throw new PodwrightError(
        'failed-precondition',
        `Container "${name}" was not made: its sandbox ${sandboxId} is not ready.`,
      );
    }
    this.check.processes(config, sandbox);
    await this.checkTarget(sandbox, config, options);
    await this.check.config(config);
    const image = await this.images.find(config.image, options);
    if (!image) {
      throw new PodwrightError(
        'image-not-found',
        `Container "${name}" was not made: the image ${config.image} is not in the store. Pull it first.`,
        { details: { image: config.image } },
      );
    }
    checkCommand(config, image);
    return await this.mutex.run(
      `${sandboxId} ${name} ${attempt}`,
      () => this.make(sandbox, config, image, options),
      options.signal,
    );
  }

  /** What an agent that ended in the middle of it may have made. */
  async settle(): Promise<void> {
    for (const record of this.records.containers.pending()) await this.undo(record);
  }

  private async checkTarget(
    sandbox: PodSandboxStatus,
    { metadata, pidTarget }: ContainerConfig,
    options: CallOptions,
  ): Promise<void> {
    if (pidTarget === undefined) return;
    const target = await this.states.record(pidTarget);
    const what = `Container "${metadata.name}" cannot see the processes of container ${pidTarget}`;
    if (target.sandboxId !== sandbox.id) {
      throw new PodwrightError('invalid-argument', `${what}: that is one of another sandbox.`);
    }
    if ((await this.states.stateOf(target, options)) !== 'running') {
      throw new PodwrightError('failed-precondition', `${what}: that does not run.`);
    }
    const mode = pidModeOf(target.config, sandbox);
    if (mode !== 'container') {
      throw new PodwrightError(
        'failed-precondition',
        `${what}: that has no PID namespace of its own, it has that of the ${mode}.`,
      );
    }
  }

  private async make(
    sandbox: PodSandboxStatus,
    config: ContainerConfig,
    image: FoundImage,
    options: CallOptions,
  ): Promise<string> {
    const { name, attempt } = config.metadata;
    await this.records.refresh();
    const known = [...this.records.containers.all(), ...this.records.containers.pending()];
    const same = known.find(
      (other) =>
        other.sandboxId === sandbox.id &&
        other.config.metadata.name === name &&
        other.config.metadata.attempt === attempt,
    );
    if (same) {
      throw new PodwrightError(
        'already-exists',
        `The sandbox ${sandbox.id} has a container "${name}" of attempt ${attempt} already.`,
        { details: { id: same.id } },
      );
    }
    const { env: _secret, ...remembered } = config;
    const key = this.records.containers.newKey();
    const record: ContainerRecord = {
      version: RECORD_VERSION,
      key,
      sandboxId: sandbox.id,
      podUid: sandbox.metadata.uid,
      config: remembered,
      imageId: image.id,
      logPath: config.logPath ?? join(this.logsOf(sandbox.id), name, `${attempt}-${key.slice(0, 8)}.log`),
    };
    await this.records.containers.put(record);
    try {
      return await this.createRecorded(record, config, image, options);
    } catch (error) {
      await this.undo(record).catch((cause: unknown) => {
        this.logger.error(
          `After a container failed, what was made of it was not removed: ${messageOf(cause)}`,
        );
      });
      throw error;
    }
  }

  private async createRecorded(
    record: ContainerRecord,
    config: ContainerConfig,
    image: FoundImage,
    options: CallOptions,
  ): Promise<string> {
    const { key, sandboxId, logPath } = record;
    const sandbox = this.records.sandboxes.get(sandboxId);
    if (!sandbox) throw new PodwrightError('not-found', `There is no sandbox ${sandboxId}.`);
    const { logs } = this.layout.sandbox(sandbox.key);
    const own = this.parts.plan(key, config.mounts);
    await this.parts.reserve(key, config.mounts);
    await mkdir(dirname(logPath), { recursive: true });
    const parts = {
      imageId: image.id,
      mounts: [...this.hostsFile(sandbox.key, own), ...(await this.messages.prepare(record)), ...own],
      logDirectory: logs,
      logPath,
      idMappings: sandbox.config.idMappings ?? [],
      securityContext: toCriSecurity(
        config.security,
        toCriNamespaces(sandbox.config, config),
        image.user,
        this.layout.seccompProfileRoot,
      ),
    };
    const request = {
      podSandboxId: sandboxId,
      config: toCriContainer(config, parts),
      sandboxConfig: toCriSandbox(sandbox.config, logs, sandbox.config.dns),
    };
    const { runAsUserName } = config.security;
    const asUser = runAsUserName === undefined ? '' : ` with user "${runAsUserName}"`;
    const { containerId: id } = await this.connection.call(
      `Container "${config.metadata.name}" was not made${asUser}`,
      ({ runtime }, call) => runtime.createContainer(request, call),
      { ...options, kind: 'create' },
    );
    const made = { ...record, id };
    await this.checkMade(made, options);
    await this.records.containers.put(made);
    await this.watcher.lookQuietly();
    return id;
  }

  /** Whether the runtime has taken what older ones leave out without a word. */
  private async checkMade(record: Made<ContainerRecord>, options: CallOptions): Promise<void> {
    const { stopSignal, security, metadata } = record.config;
    if (stopSignal === undefined && security.runAsNonRoot !== true) return;
    if (security.runAsNonRoot === true) {
      const { user } = await this.states.status(record, options);
      if (user === undefined || user.uid === 0) throw rootRefused(metadata.name, user !== undefined);
    }
    if (stopSignal === undefined) return;
    const { status } = await this.connection.call(
      'The status of a container cannot be read',
      ({ runtime }, call) => runtime.containerStatus({ containerId: record.id }, call),
      options,
    );
    if (status?.stopSignal !== cri.Signal.RUNTIME_DEFAULT || this.check.isOwnServer) return;
    throw unsupportedField(
      unsupportedFields.stopSignal,
      `Container "${metadata.name}" asks for the stop signal ${stopSignal}, and this runtime takes the image's only. ` +
        'Leave it out, or use an image with it (STOPSIGNAL).',
    );
  }

  /** By its names: the answer with its id may not have come. */
  private async undo(record: ContainerRecord): Promise<void> {
    const { containers } = await this.connection.call(
      'The containers cannot be listed',
      ({ runtime }, call) => runtime.listContainers({ filter: { podSandboxId: record.sandboxId } }, call),
    );
    const { name, attempt } = record.config.metadata;
    for (const { id, metadata } of containers) {
      if (metadata?.name !== name || metadata.attempt !== attempt) continue;
      await this.connection.callWhenSettled(`Container "${name}" was not removed`, ({ runtime }, call) =>
        runtime.removeContainer({ containerId: id }, call),
      );
      this.states.forget(id);
    }
    await this.remains.remove(record);
  }

  private hostsFile(sandboxKey: string, mounts: readonly Mount[]): readonly Mount[] {
    if (mounts.some(({ containerPath }) => containerPath === '/etc/hosts')) return [];
    return [{ hostPath: this.layout.sandbox(sandboxKey).hosts, containerPath: '/etc/hosts' }];
  }

  private logsOf(sandboxId: string): string {
    const key = this.records.sandboxes.get(sandboxId)?.key ?? sandboxId;
    return this.layout.sandbox(key).logs;
  }
}

function rootRefused(name: string, isKnown: boolean): PodwrightError {
  const why = isKnown ? 'its user is root' : 'this runtime does not tell as whom it runs';
  return new PodwrightError(
    'invalid-argument',
    `Container "${name}" is not to run as root (runAsNonRoot), and ${why}: set runAsUser.`,
  );
}

/** The runtime says it too, each in words of its own. */
function checkCommand({ metadata, command = [], args = [] }: ContainerConfig, image: FoundImage): void {
  if (command.length > 0 || args.length > 0 || image.hasCommand !== false) return;
  throw new PodwrightError(
    'invalid-argument',
    `Container "${metadata.name}" has no command, and neither has its image: give it one.`,
  );
}
