import type { ServiceIdentifier } from 'inversify';

/** How a CRI endpoint is served. */
export interface CriServerOptions {
  /** Path of the unix socket. */
  readonly socketPath: string;
  /** Descriptor of a listening socket that was handed over (systemd.socket(5)); `socketPath` is not made then. */
  readonly socketFd?: number;
  /** What the runtime says its version is. */
  readonly version: string;
  /** What RuntimeConfig tells; default: `systemd` with the backend systemd, otherwise nothing. */
  readonly cgroupDriver?: 'systemd' | 'cgroupfs';
  /** How long calls under way may go on when the server is disposed of, in milliseconds; then they are cancelled. */
  readonly shutdownGraceMs: number;
}

export const CriServerOptions: ServiceIdentifier<CriServerOptions> = Symbol.for(
  'podwright.cri-server.CriServerOptions',
);
