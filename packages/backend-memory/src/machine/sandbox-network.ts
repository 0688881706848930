import { Duplex } from 'node:stream';
import { BrokenPipeError, BytePipe } from './byte-pipe.js';

/** One end of a connection between two simulated sockets. */
export interface Connection {
  readonly incoming: BytePipe;
  readonly outgoing: BytePipe;
}

/** The TCP sockets of one network namespace. */
export class SandboxNetwork {
  readonly #listeners = new Map<number, (connection: Connection) => void>();

  constructor(
    /** Its addresses, the primary one first. */
    readonly ips: readonly string[],
    /** Where connections to other addresses go. */
    private readonly neighbour: (ip: string) => SandboxNetwork | undefined,
  ) {}

  /** @returns a function that closes the socket; undefined when the port is taken */
  listen(port: number, accept: (connection: Connection) => void): (() => void) | undefined {
    if (this.#listeners.has(port)) return undefined;
    this.#listeners.set(port, accept);
    return () => {
      if (this.#listeners.get(port) === accept) this.#listeners.delete(port);
    };
  }

  /** @returns undefined when the connection is refused */
  connect(host: string, port: number): Connection | undefined {
    const own = host === 'localhost' || host.startsWith('127.') || this.ips.includes(host);
    const network = own ? this : this.neighbour(host);
    const accept = network === undefined ? undefined : network.#listeners.get(port);
    if (!accept) return undefined;
    const there = new BytePipe();
    const back = new BytePipe();
    accept({ incoming: there, outgoing: back });
    return { incoming: back, outgoing: there };
  }

  /** Every listening socket is closed. */
  down(): void {
    this.#listeners.clear();
  }
}

/** A connection as a stream of Node; ending it half-closes the connection. */
export function streamOf(connection: Connection): Duplex {
  let reading = false;
  return new Duplex({
    allowHalfOpen: true,
    read() {
      if (reading) return;
      reading = true;
      connection.incoming.read().then(
        (data) => {
          reading = false;
          this.push(data ?? null);
        },
        (error: Error) => this.destroy(error),
      );
    },
    write(data: Buffer, _encoding, done) {
      connection.outgoing.write(Buffer.from(data)).then(
        () => done(),
        (error: Error) => done(error instanceof BrokenPipeError ? connectionReset() : error),
      );
    },
    final(done) {
      connection.outgoing.end();
      done();
    },
    destroy(error, done) {
      connection.outgoing.end();
      connection.incoming.closeReader();
      done(error);
    },
  });
}

function connectionReset(): Error {
  return new Error('The other side has closed the connection.');
}
