import type { ServiceIdentifier } from 'inversify';
import type { HostCommand, HostExecutor, HostProcess, HostResult, RunCommand } from './host-executor.js';

/** What has to be on the host for volumes to be mounted from inside a container. */
export const REQUIRED_HOST_TOOLS = [
  'mount',
  'findmnt',
  'umount',
  'stat',
  'touch',
  'mkdir',
  'ls',
  'sh',
  'chmod',
  'realpath',
] as const;

/** Where they are looked for below the host's root, in this order. */
export const HOST_TOOL_DIRS = ['/', '/bin', '/usr/sbin', '/usr/bin'] as const;

export interface NsenterOptions {
  /** Where the host's root is mounted in the agent's container. Default `/rootfs`. */
  readonly hostRoot?: string;
  /** Absolute path on the host by program name; an empty one means the usual directories. */
  readonly binaries?: Readonly<Record<string, string>>;
}

export const NsenterOptions: ServiceIdentifier<NsenterOptions> = Symbol.for(
  'podwright.nsenter.NsenterOptions',
);

/** Runs commands in the agent's own container, `nsenter` among them. */
export const AgentExecutor: ServiceIdentifier<HostExecutor> = Symbol.for('podwright.nsenter.AgentExecutor');

/**
 * The host as an agent in a container reaches it: files below the host's root, commands in the host's mount namespace.
 * The container has to be privileged, share the host's PID namespace and have the host's root mounted.
 */
export interface Nsenter {
  /**
   * Finds the host's tools and tries to enter its mount namespace. Done once, also when called again; `exec` and
   * `spawn` do it by themselves.
   * @throws PodwrightError kind `missing-requirement` that names what is missing, `permission-denied`
   */
  start(): Promise<void>;
  /** Runs a command as `nsenter --mount=<root>/proc/1/ns/mnt -- …`. @throws as `HostExecutor.run` */
  exec(command: RunCommand): Promise<HostResult>;
  /** Starts one with streams likewise. @throws as `HostExecutor.start` */
  spawn(command: HostCommand): Promise<HostProcess>;
  /** The path on the host of one of the tools; any other command comes back unchanged. */
  absHostPath(command: string): string;
  /** Path on the host of any program, or undefined. */
  which(name: string): Promise<string | undefined>;
  /**
   * Follows the links of a path on the host.
   *
   * With `mustExist` (realpath -e) a path that does not exist is an error. Without (realpath -m) the part that exists
   * is resolved and the rest appended; a loop of links is not noticed then and comes back as it is.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (a loop), `command-failed`
   */
  evalSymlinks(path: string, options: { readonly mustExist: boolean }): Promise<string>;
  /** The path by which the agent reaches a path of the host. Links with absolute targets have to be resolved before. */
  hostPath(path: string): string;
  /** Path on the host of systemd-run; undefined where the host has none. */
  supportsSystemd(): string | undefined;
}

export const Nsenter: ServiceIdentifier<Nsenter> = Symbol.for('podwright.nsenter.Nsenter');
