import { isIP } from 'node:net';
import { PodwrightError } from '@podwright/core';
import { InvalidArgumentError } from 'commander';

/** @returns the path of `unix:///run/podwright/cri.sock` or `/run/podwright/cri.sock` */
export function parseListen(text: string): string {
  const path = text.replace(/^unix:\/\//, '');
  if (path.startsWith('/') && !path.endsWith('/')) return path;
  throw new InvalidArgumentError(
    'it has to be the absolute path of a unix socket, such as unix:///run/podwright/cri.sock.',
  );
}

export function parseIp(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new InvalidArgumentError('it has to be an IP address, such as 127.0.0.1.');
}

/** A port, or 0 for any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65535) return port;
  throw new InvalidArgumentError('it has to be a number from 0 to 65535.');
}

/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const FIRST_FD = 3;

/**
 * The listening socket that systemd has handed to this very process, if it has.
 * @throws PodwrightError kind `invalid-argument` when there are several
 */
export function handedSocket(
  env: Readonly<Record<string, string | undefined>>,
  processId: number,
): number | undefined {
  const count = Number(env['LISTEN_FDS'] ?? 0);
  if (env['LISTEN_PID'] !== String(processId) || !(count > 0)) return undefined;
  if (count === 1) return FIRST_FD;
  throw new PodwrightError(
    'invalid-argument',
    `systemd has handed over ${count} sockets: the .socket unit may have one ListenStream= only.`,
  );
}
