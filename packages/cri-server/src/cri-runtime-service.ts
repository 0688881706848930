import { PodwrightError } from '@podwright/core';
import type { cri, RpcContext, RpcHandlers } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { ContainerCalls } from './calls/container-calls.js';
import { RuntimeCalls } from './calls/runtime-calls.js';
import { SandboxCalls } from './calls/sandbox-calls.js';
import { StreamingCalls } from './calls/streaming-calls.js';
import { ContainerEvents } from './events/container-events.js';
import { CriStats } from './stats/cri-stats.js';

/**
 * The CRI's RuntimeService over a backend's. Nothing is kept but what is under way: all there is to know of sandboxes
 * and containers is asked of the backend, and so a restart of the server loses nothing.
 */
@injectable()
export class CriRuntimeService implements RpcHandlers<typeof cri.RuntimeService> {
  constructor(
    @inject(RuntimeCalls) private readonly runtime: RuntimeCalls,
    @inject(SandboxCalls) private readonly sandboxes: SandboxCalls,
    @inject(ContainerCalls) private readonly containers: ContainerCalls,
    @inject(StreamingCalls) private readonly streaming: StreamingCalls,
    @inject(ContainerEvents) private readonly events: ContainerEvents,
    @inject(CriStats) private readonly stats: CriStats,
  ) {}

  /** Resolves when nothing is half-made any more. */
  async settled(): Promise<void> {
    await Promise.all([this.sandboxes.settled(), this.containers.settled()]);
  }

  version(request: cri.VersionRequest) {
    return this.runtime.version(request);
  }

  status(request: cri.StatusRequest, context: RpcContext) {
    return this.runtime.status(request, context);
  }

  runtimeConfig(request: cri.RuntimeConfigRequest) {
    return this.runtime.runtimeConfig(request);
  }

  updateRuntimeConfig(request: cri.UpdateRuntimeConfigRequest) {
    return this.runtime.updateRuntimeConfig(request);
  }

  runPodSandbox(request: cri.RunPodSandboxRequest, context: RpcContext) {
    return this.sandboxes.run(request, context);
  }

  stopPodSandbox(request: cri.StopPodSandboxRequest, context: RpcContext) {
    return this.sandboxes.stop(request, context);
  }

  removePodSandbox(request: cri.RemovePodSandboxRequest, context: RpcContext) {
    return this.sandboxes.remove(request, context);
  }

  podSandboxStatus(request: cri.PodSandboxStatusRequest, context: RpcContext) {
    return this.sandboxes.status(request, context);
  }

  listPodSandbox(request: cri.ListPodSandboxRequest, context: RpcContext) {
    return this.sandboxes.list(request, context);
  }

  streamPodSandboxes(request: cri.StreamPodSandboxesRequest, context: RpcContext) {
    return this.sandboxes.stream(request, context);
  }

  updatePodSandboxResources(request: cri.UpdatePodSandboxResourcesRequest, context: RpcContext) {
    return this.sandboxes.updateResources(request, context);
  }

  createContainer(request: cri.CreateContainerRequest, context: RpcContext) {
    return this.containers.create(request, context);
  }

  startContainer(request: cri.StartContainerRequest, context: RpcContext) {
    return this.containers.start(request, context);
  }

  stopContainer(request: cri.StopContainerRequest, context: RpcContext) {
    return this.containers.stop(request, context);
  }

  removeContainer(request: cri.RemoveContainerRequest, context: RpcContext) {
    return this.containers.remove(request, context);
  }

  listContainers(request: cri.ListContainersRequest, context: RpcContext) {
    return this.containers.list(request, context);
  }

  streamContainers(request: cri.StreamContainersRequest, context: RpcContext) {
    return this.containers.stream(request, context);
  }

  containerStatus(request: cri.ContainerStatusRequest, context: RpcContext) {
    return this.containers.status(request, context);
  }

  updateContainerResources(request: cri.UpdateContainerResourcesRequest, context: RpcContext) {
    return this.containers.updateResources(request, context);
  }

  reopenContainerLog(request: cri.ReopenContainerLogRequest, context: RpcContext) {
    return this.containers.reopenLog(request, context);
  }

  execSync(request: cri.ExecSyncRequest, context: RpcContext) {
    return this.streaming.execSync(request, context);
  }

  exec(request: cri.ExecRequest, context: RpcContext) {
    return this.streaming.exec(request, context);
  }

  attach(request: cri.AttachRequest, context: RpcContext) {
    return this.streaming.attach(request, context);
  }

  portForward(request: cri.PortForwardRequest, context: RpcContext) {
    return this.streaming.portForward(request, context);
  }

  getContainerEvents(request: cri.GetEventsRequest, context: RpcContext) {
    return this.events.stream(request, context);
  }

  containerStats(request: cri.ContainerStatsRequest, context: RpcContext) {
    return this.stats.containerStats(request, context);
  }

  listContainerStats(request: cri.ListContainerStatsRequest, context: RpcContext) {
    return this.stats.listContainerStats(request, context);
  }

  streamContainerStats(request: cri.StreamContainerStatsRequest, context: RpcContext) {
    return this.stats.streamContainerStats(request, context);
  }

  podSandboxStats(request: cri.PodSandboxStatsRequest, context: RpcContext) {
    return this.stats.podSandboxStats(request, context);
  }

  listPodSandboxStats(request: cri.ListPodSandboxStatsRequest, context: RpcContext) {
    return this.stats.listPodSandboxStats(request, context);
  }

  streamPodSandboxStats(request: cri.StreamPodSandboxStatsRequest, context: RpcContext) {
    return this.stats.streamPodSandboxStats(request, context);
  }

  listMetricDescriptors() {
    return this.stats.listMetricDescriptors();
  }

  listPodSandboxMetrics(request: cri.ListPodSandboxMetricsRequest, context: RpcContext) {
    return this.stats.listPodSandboxMetrics(request, context);
  }

  streamPodSandboxMetrics(request: cri.StreamPodSandboxMetricsRequest, context: RpcContext) {
    return this.stats.streamPodSandboxMetrics(request, context);
  }

  async checkpointContainer({ containerId }: cri.CheckpointContainerRequest): Promise<never> {
    throw noCheckpoints(`Container ${containerId} cannot be checkpointed`);
  }

  async checkpointPod({ podSandboxId }: cri.CheckpointPodRequest): Promise<never> {
    throw noCheckpoints(`Sandbox ${podSandboxId} cannot be checkpointed`);
  }

  async restorePod({ checkpointPath }: cri.RestorePodRequest): Promise<never> {
    throw noCheckpoints(`The checkpoint ${checkpointPath} cannot be restored`);
  }
}

function noCheckpoints(what: string): PodwrightError {
  return new PodwrightError(
    'unsupported',
    `${what}: Podwright has no checkpoints. Stop the container, and start a new one from its image and volumes.`,
  );
}
