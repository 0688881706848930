import type { DnsConfig, Orphan, PodSandboxMetadata, PortMapping, StringMap } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { CniAttachment } from '../cni/cni-invocation.js';
import type { PodNetworkAttachment } from './network-attachments.js';

/** What a pod asks of the network. */
export interface PodNetworkRequest {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  /** Those that ask for bandwidth limits and further networks count. */
  readonly annotations: StringMap;
  /** Of the primary network. */
  readonly portMappings: readonly PortMapping[];
  readonly dns?: DnsConfig;
}

/** Whether pods can be connected now; `reason` and `message` are empty when they can. */
export interface PodNetworkStatus {
  readonly ready: boolean;
  /** CamelCase word. */
  readonly reason: string;
  readonly message: string;
}

/** Connects pods with a network of their own. Rebind it to connect them without CNI. */
export interface PodNetwork {
  /** Looks whether there is a network and whether its plugins are there and new enough. */
  status(signal?: AbortSignal): Promise<PodNetworkStatus>;
  /**
   * Decides which networks a pod gets, and finds out what is missing for them, before anything is made.
   * @returns the primary network first
   * @throws PodwrightError kind `invalid-argument` (configuration, annotation), `not-found` (a further network),
   *   `unsupported` (no plugin of a network can do what is asked of it), `missing-requirement` (a plugin),
   *   `failed-precondition` (a default subnet is taken)
   */
  plan(request: PodNetworkRequest): Promise<readonly CniAttachment[]>;
  /** Connects; a failure may leave some of it: the caller has to call `detach`. @returns the attachment with its result */
  attach(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<CniAttachment>;
  /** @throws PodwrightError when something is not as `attach` left it; networks that cannot be checked pass */
  check(attachment: CniAttachment, netns: string, signal?: AbortSignal): Promise<void>;
  /** Takes it down. Idempotent. @param netns undefined when the namespace is gone */
  detach(attachment: CniAttachment, netns: string | undefined): Promise<void>;
  /** What the attachments gave the pod, in their order. */
  attachments(attachments: readonly CniAttachment[]): readonly PodNetworkAttachment[];
  /** Removes what the network made on the host for all pods together, when no pod is left. Idempotent. */
  release(): Promise<void>;
  /**
   * Finds what belongs to none of the sandboxes.
   * @param isKnown whether there is, or just now comes to be, a sandbox of this id
   */
  orphans(isKnown: (id: string) => boolean): Promise<readonly Orphan[]>;
}

export const PodNetwork: ServiceIdentifier<PodNetwork> = Symbol.for('podwright.sandbox.PodNetwork');
