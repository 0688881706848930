import { join } from 'node:path';
import { type BackendModuleFactory, RestartBackoff, RuntimeService, SandboxRestorer } from '@podwright/core';
import { ImageMounter, ImageUsers, imagesModule } from '@podwright/images';
import { journalModule } from '@podwright/journal';
import { nsenterModule } from '@podwright/nsenter';
import { ociModule } from '@podwright/oci';
import { InfraProcess, sandboxModule, VolumeImages, volumesModule } from '@podwright/sandbox';
import { systemdModule } from '@podwright/systemd';
import { ContainerModule } from 'inversify';
import { hostBusAddress } from './agent-container.js';
import { AttemptEnds } from './attempt-ends.js';
import { parseBackendOptions, SystemdBackendOptions } from './backend-options.js';
import { CgroupLock } from './cgroup-lock.js';
import { CgroupTree } from './cgroup-tree.js';
import { CompiledSeccomp } from './compiled-seccomp.js';
import { ContainerAttach } from './container-attach.js';
import { ContainerExec } from './container-exec.js';
import { ContainerFactory } from './container-factory.js';
import { ContainerImageUsers } from './container-image-users.js';
import { ContainerLogFiles } from './container-log-files.js';
import { ContainerLogs } from './container-logs.js';
import { ContainerProcesses } from './container-processes.js';
import { ContainerService } from './container-service.js';
import { ContainerStatsReader } from './container-stats.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { ContainerWatcher } from './container-watcher.js';
import { ContainersMount } from './containers-mount.js';
import { FileOrphans } from './file-orphans.js';
import { HostDevices } from './host-devices.js';
import { HostLayout } from './host-layout.js';
import { HostLock } from './host-lock.js';
import { HostReadiness } from './host-readiness.js';
import { HostRequirements } from './host-requirements.js';
import { HostTools } from './host-tools.js';
import { ImageUserFiles } from './image-user-files.js';
import { MountSharing } from './mount-sharing.js';
import { OrphanCollector } from './orphan-collector.js';
import { OrphanMarksFile } from './orphan-marks-file.js';
import { PersistentUnits, RestoreContext } from './persistent-units.js';
import { PidTargets } from './pid-target.js';
import { PodSlices } from './pod-slices.js';
import { PodUnits } from './pod-units.js';
import { ProcessReader } from './process-reader.js';
import { ResourceUpdater } from './resource-updater.js';
import { RootfsMount } from './rootfs-mount.js';
import { RuntimeMount } from './runtime-mount.js';
import { SandboxInterfaces } from './sandbox-interfaces.js';
import { StateAccess, StateLoader } from './state-loader.js';
import { SystemdRuntimeService } from './systemd-runtime-service.js';
import { SystemdSandboxRestorer } from './systemd-sandbox-restorer.js';
import { UnitFileOrphans } from './unit-file-orphans.js';
import { UnitInfraProcess } from './unit-infra-process.js';
import { UnitOrphans } from './unit-orphans.js';
import { UserNamespaces } from './user-namespaces.js';

/**
 * The backend `systemd`. Binds `RuntimeService`, `ImageService` and `VolumeProvider`, and everything below them, each
 * to be rebound. Needs `Logger` and `Clock`.
 * @throws PodwrightError kind `invalid-argument` for an option it does not know
 */
export const backendModule: BackendModuleFactory = (context) => {
  const { stateDir, runDir, access = 'exclusive', options } = context;
  const parsed = parseBackendOptions(options);
  const layout = new HostLayout(stateDir, runDir);
  const parts = [...libraryModules(stateDir, runDir, parsed), volumesModule(layout)];
  return new ContainerModule(async (load) => {
    for (const part of parts) await part.load(load);
    const { bind, rebind } = load;
    bind(SystemdBackendOptions).toConstantValue(parsed);
    bind(RestartBackoff).toConstantValue(parsed.restartBackoff);
    bind(HostLayout).toConstantValue(layout);
    bind(StateAccess).toConstantValue(access);
    bind(RestoreContext).toConstantValue(context);
    for (const type of [
      StateLoader,
      HostTools,
      HostRequirements,
      HostReadiness,
      CgroupLock,
      CgroupTree,
      ContainerStatsReader,
      SandboxInterfaces,
      ProcessReader,
      HostDevices,
      ResourceUpdater,
      ContainerStore,
      ImageUserFiles,
      CompiledSeccomp,
      ContainerFactory,
      AttemptEnds,
      ContainerProcesses,
      ContainerStatuses,
      ContainerService,
      ContainerWatcher,
      ContainerLogs,
      ContainerLogFiles,
      ContainerExec,
      PidTargets,
      MountSharing,
      ContainerAttach,
      HostLock,
      PersistentUnits,
      PodSlices,
      PodUnits,
      RootfsMount,
      ContainersMount,
      RuntimeMount,
      UserNamespaces,
      OrphanMarksFile,
      UnitOrphans,
      UnitFileOrphans,
      FileOrphans,
      OrphanCollector,
    ]) {
      bind<object>(type).toSelf().inSingletonScope();
    }
    rebind(InfraProcess).to(UnitInfraProcess).inSingletonScope();
    rebind(ImageUsers).to(ContainerImageUsers).inSingletonScope();
    bind(RuntimeService).to(SystemdRuntimeService).inSingletonScope();
    bind(SandboxRestorer).to(SystemdSandboxRestorer).inSingletonScope();
    bind(VolumeImages).toService(ImageMounter);
  });
};

function libraryModules(
  stateDir: string,
  runDir: string,
  options: SystemdBackendOptions,
): readonly ContainerModule[] {
  const { binaries, inContainer, imageStore, signaturePolicy, authFile, pinnedImages } = options;
  const address =
    options.dbusAddress ?? (inContainer === undefined ? undefined : hostBusAddress(inContainer.hostRoot));
  return [
    nsenterModule(
      inContainer === undefined
        ? { mode: 'local', binaries }
        : { mode: 'in-container', hostRoot: inContainer.hostRoot, binaries },
    ),
    systemdModule(address === undefined ? {} : { address }),
    journalModule(),
    sandboxModule({
      stateDir,
      runDir,
      ...(options.cniConfDir === undefined ? {} : { cniConfDir: options.cniConfDir }),
      ...(options.cniBinDirs === undefined ? {} : { cniBinDirs: options.cniBinDirs }),
      defaultNetwork: options.defaultNetwork,
      ...(options.defaultSubnet === undefined ? {} : { defaultSubnet: options.defaultSubnet }),
      ...(options.defaultBridge === undefined ? {} : { defaultBridge: options.defaultBridge }),
      keepSharedMs: options.keepNetworkMs,
      ...(options.userNamespaceIds === undefined ? {} : { userNamespaceIds: options.userNamespaceIds }),
    }),
    imagesModule({
      runDir: join(runDir, 'images'),
      insecureRegistries: options.insecureRegistries,
      insecureLoopback: true,
      insecurePolicy: options.insecurePolicy,
      pinnedImages,
      ...(authFile === undefined ? {} : { authFile }),
      ...(signaturePolicy === undefined ? {} : { policyPath: signaturePolicy }),
      ...(imageStore === undefined ? {} : { storeRoot: imageStore.root, storeRunRoot: imageStore.runRoot }),
    }),
    ociModule({
      flavour: options.ociRuntime,
      execHandler: options.execHandler,
      allowUnconfined: options.allowUnconfined,
      runtimeRoot: join(runDir, 'runtime'),
      seccompProfileRoot: options.seccompProfileRoot ?? join(stateDir, 'seccomp'),
      ...(options.seccompProfile === undefined ? {} : { seccompProfile: options.seccompProfile }),
    }),
  ];
}
