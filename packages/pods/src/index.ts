// PodRuntime: what a pod needs, over any backend. Start reading at backend-pod-runtime.ts (the calls) and
// pods-module.ts (how it is put together).
export { BackendPodRuntime } from './backend-pod-runtime.js';
export { FilePodStore } from './file-pod-store.js';
export { type ImageCollectOptions, ImageCollector } from './image-collector.js';
export { type EnsuredImage, type EnsureOptions, ImageEnsurer } from './image-ensurer.js';
export { LoggingEventRecorder } from './logging-event-recorder.js';
export { ManifestContainerOptionsGenerator } from './manifest-container-options-generator.js';
export { MemoryPodStore } from './memory-pod-store.js';
export { HostNodeFacts, NodeFacts } from './node-facts.js';
export { PodRestorer } from './pod-restorer.js';
export { type PodsModuleOptions, podsModule } from './pods-module.js';
export { StorageCheckIntervalMs } from './storage-monitor.js';
export { SucceedingProbeResults } from './succeeding-probe-results.js';
