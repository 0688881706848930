import type { Duplex } from 'node:stream';
import type { ContainerRuntime, ImageService, RegistryAuth, RuntimeService } from '@podwright/core';

/** Names of the images that a target has to have ready in its registries; `conformanceImages` says what is in each. */
export interface ConformanceImageNames {
  readonly busybox: string;
  readonly args: string;
  readonly env: string;
  readonly nonroot: string;
  readonly signal: string;
  readonly noCommand: string;
  readonly workdir: string;
  /** A second one with other content than busybox, which only the image cases remove. */
  readonly spare: string;
  /** A repository that an answering registry does not have. */
  readonly absent: string;
  /** On a registry where nobody listens. */
  readonly unreachable: string;
  /** On a registry that asks for these credentials; the content is that of busybox. */
  readonly denied: { readonly reference: string; readonly auth: RegistryAuth };
  /** Two archives on the backend's host, as `docker save` and as OCI write them, and the name that both give to busybox. */
  readonly archives: { readonly docker: string; readonly oci: string; readonly reference: string };
}

/** The backend's host, as somebody beside the backend uses it. */
export interface HostView {
  /** A new empty directory of the host that everybody may write to. */
  makeDirectory(): Promise<string>;
  writeFile(path: string, text: string): Promise<void>;
  /** Undefined when there is no such file. */
  readFile(path: string): Promise<string | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** Connects to a TCP port of the host, not from the host itself where a backend serves only others. */
  connect(port: number): Promise<Duplex>;
}

/** What only a kernel can show: read from /proc and the host, not from the backend. */
export interface KernelView {
  /** Id of a container's first process on the host. */
  hostPidOf(containerId: string): Promise<number>;
  /** A file of /proc/PID as text, e.g. `status`; undefined when the process is gone. */
  readProc(pid: number, file: string): Promise<string | undefined>;
  /** Where a link of /proc/PID leads, e.g. `ns/net`. */
  readProcLink(pid: number, link: string): Promise<string>;
  /** Ids of all processes of the host whose command line holds a text. */
  findProcesses(text: string): Promise<readonly number[]>;
  /** The host's /proc/1/mountinfo. */
  hostMounts(): Promise<string>;
  /** A limit that holds for a container, in bytes or processes; undefined when none is set. */
  limitOf(containerId: string, limit: 'memory' | 'pids'): Promise<number | undefined>;
}

/** How a target is made; each target takes what its backend can. */
export interface ConformanceTargetOptions {
  /**
   * `caller`: the backend is told to leave restarts to PodRuntime, so that the same cases show that both do alike.
   * Default: `backend`, where it can.
   */
  readonly restartsBy?: 'backend' | 'caller';
  /** How commands enter containers, where a backend has more than one way. */
  readonly execHandler?: 'oci' | 'nsenter';
  /** Commands may run with less confinement than their container has, where the handler cannot give them all of it. */
  readonly allowUnconfined?: boolean;
}

/** One agent on a host, started. */
export interface ConformanceTarget {
  readonly runtime: ContainerRuntime;
  /** The services behind `runtime`, of the same agent. */
  readonly runtimeService: RuntimeService;
  readonly imageService: ImageService;
  readonly images: ConformanceImageNames;
  readonly host: HostView;
  /** Absent on a backend without a kernel; say why in `lacks`. */
  readonly kernel?: KernelView;
  /** The longest that a case waits for what has to happen, in milliseconds. */
  readonly patienceMs: number;
  /**
   * Leaves something behind that looks like the backend's own and belongs to nothing it knows.
   * @returns whether it is still there
   */
  plantOrphan(): Promise<() => Promise<boolean>>;
  /** Ends this agent and starts another one on the same host and the same state; the cases go on with that one. */
  restartAgent(): Promise<ConformanceTarget>;
  [Symbol.asyncDispose](): Promise<void>;
}
