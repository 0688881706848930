import type { ConformanceCase } from '../conformance-case.js';
import { agentCases, cancelCases } from './agent-cases.js';
import { attachCases } from './attach-cases.js';
import { containerCases } from './container-cases.js';
import { criNeedsCases } from './cri-needs-cases.js';
import { debugCases } from './debug-cases.js';
import { eventCases } from './event-cases.js';
import { execCases } from './exec-cases.js';
import { execHandlerCases } from './exec-handler-cases.js';
import { gcCases } from './gc-cases.js';
import { imageAuthCases } from './image-auth-cases.js';
import { imageCases } from './image-cases.js';
import { imageGcCases } from './image-gc-cases.js';
import { kernelCases } from './kernel-cases.js';
import { lifecycleCases } from './lifecycle-cases.js';
import { logCases } from './log-cases.js';
import { logFileCases } from './log-file-cases.js';
import { manifestCases } from './manifest-cases.js';
import { mountCases } from './mount-cases.js';
import { networkCases } from './network-cases.js';
import { objectVolumeCases } from './object-volume-cases.js';
import { podCases } from './pod-cases.js';
import { podNetworkCases } from './pod-network-cases.js';
import { podRestartCases } from './pod-restart-cases.js';
import { podStreamCases } from './pod-stream-cases.js';
import { probeCases } from './probe-cases.js';
import { processCases } from './process-cases.js';
import { resourceCases } from './resources-cases.js';
import { restartCases } from './restart-cases.js';
import { runtimeCases } from './runtime-cases.js';
import { sandboxCases } from './sandbox-cases.js';
import { securityCases } from './security-cases.js';
import { statsCases } from './stats-cases.js';
import { stopCases } from './stop-cases.js';
import { syncCases } from './sync-cases.js';
import { usernsCases } from './userns-cases.js';
import { variableCases } from './variable-cases.js';
import { volumeCases } from './volume-cases.js';

/** Every case of the suite, in the order in which it is best read. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...runtimeCases,
  ...sandboxCases,
  ...containerCases,
  ...processCases,
  ...stopCases,
  ...restartCases,
  ...logCases,
  ...execCases,
  ...execHandlerCases,
  ...attachCases,
  ...networkCases,
  ...mountCases,
  ...volumeCases,
  ...objectVolumeCases,
  ...variableCases,
  ...imageCases,
  ...imageAuthCases,
  ...imageGcCases,
  ...podCases,
  ...manifestCases,
  ...podNetworkCases,
  ...securityCases,
  ...usernsCases,
  ...podRestartCases,
  ...syncCases,
  ...podStreamCases,
  ...probeCases,
  ...lifecycleCases,
  ...debugCases,
  ...eventCases,
  ...gcCases,
  ...agentCases,
  ...cancelCases,
  ...statsCases,
  ...resourceCases,
  ...kernelCases,
  ...logFileCases,
  ...criNeedsCases,
];
