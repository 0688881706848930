import type { Socket } from 'node:net';
import { PodwrightError } from '@podwright/core';
import { unavailable } from './bus-error.js';

/** No answer of the authentication protocol is longer. */
const MAX_LINE_BYTES = 16_384;

/**
 * Authenticates by the credentials of the socket (mechanism EXTERNAL, D-Bus specification, "Authentication Protocol").
 * The identity is left to the daemon, as systemd's own client does it: a uid that this process would name is another one
 * for a daemon outside its user namespace.
 * @throws PodwrightError kind `permission-denied` when the daemon accepts neither that nor this user, `unavailable`
 */
export function authenticate(socket: Socket, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = '';
    const settle = (error?: Error) => {
      socket.off('data', onData);
      socket.off('error', settle);
      socket.off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onClose = () => settle(unavailable(address, 'it closed the connection during authentication'));
    const onData = (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (received.length > MAX_LINE_BYTES) settle(unavailable(address, 'it speaks another protocol'));
      for (let end = received.indexOf('\r\n'); end >= 0; end = received.indexOf('\r\n')) {
        const line = received.slice(0, end);
        received = received.slice(end + 2);
        if (line.startsWith('OK ')) {
          socket.write('BEGIN\r\n');
          settle();
          return;
        }
        if (line.startsWith('DATA')) socket.write('DATA\r\n');
        else {
          settle(
            new PodwrightError(
              'permission-denied',
              `The D-Bus system bus at ${address} does not accept this process: it answered "${line}" to ` +
                'authentication by socket credentials. Run as a user the daemon knows.',
              { details: { address } },
            ),
          );
          return;
        }
      }
    };
    socket.on('data', onData);
    socket.on('error', settle);
    socket.on('close', onClose);
    socket.write('\0AUTH EXTERNAL\r\n');
  });
}
