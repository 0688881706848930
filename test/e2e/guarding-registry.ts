import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Guard {
  readonly username: string;
  readonly password: string;
}

/**
 * A registry on loopback in front of another one: asks for a user and a password for each path of its own, and can be
 * made to answer wrongly. `FOLDER/NAME` in it is `podwright/NAME` behind it.
 */
export class GuardingRegistry {
  /** Paths of manifests and blobs that were asked for with good credentials, or without when none are needed. */
  readonly served: string[] = [];
  /** When set, everything is answered with this status. */
  failWith: number | undefined;
  /** When set, whoever asks for a manifest by digest gets that of this tag. */
  wrongManifest: string | undefined;
  /** The most repositories of which something was under way at once. */
  mostAtOnce = 0;
  readonly #underWay: string[] = [];
  readonly #enough: Promise<void>;
  #isEnough: () => void = () => undefined;
  readonly #server: Server;

  private constructor(
    private readonly target: string,
    private readonly guards: Readonly<Record<string, Guard>>,
    private readonly delayMs: number,
    private readonly atOnce: number,
  ) {
    this.#enough = new Promise((resolve) => {
      this.#isEnough = resolve;
    });
    this.#server = createServer((incoming, answer) => {
      const path = incoming.url ?? '';
      const folder = /^\/v2\/([^/]+)\//.exec(path)?.[1];
      if (this.failWith !== undefined) {
        // Clients ask again when it says 429, soon when told so.
        answer.writeHead(this.failWith, { 'Retry-After': '1' }).end();
        return;
      }
      if (!this.#isAllowed(incoming, folder)) {
        answer.writeHead(401, {
          'WWW-Authenticate': 'Basic realm="test"',
          'Content-Type': 'application/json',
        });
        answer.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
        return;
      }
      if (folder !== undefined) this.served.push(path);
      if (folder !== undefined) this.#note(path.split('/')[3] ?? '', answer);
      const [host, port] = this.target.split(':');
      const { authorization: _, ...headers } = incoming.headers;
      const behind = this.#behind(path);
      const pass = () => {
        const outgoing = request(
          { host, port, path: behind, method: incoming.method, headers },
          (response) => {
            answer.writeHead(response.statusCode ?? 502, response.headers);
            response.pipe(answer);
          },
        );
        outgoing.on('error', () => answer.destroy());
        incoming.pipe(outgoing);
      };
      if (folder === undefined || this.delayMs === 0) pass();
      else void this.#enough.then(() => setTimeout(pass, this.delayMs));
    });
  }

  /**
   * @param target `host:port` of a registry without TLS
   * @param guards who may read each folder; a folder that is not named is open
   * @param delayMs how late everything is answered
   * @param atOnce nothing is answered late until something of so many repositories was under way at once
   */
  static async listen(
    target: string,
    guards: Readonly<Record<string, Guard>> = {},
    delayMs = 0,
    atOnce = 1,
  ): Promise<GuardingRegistry> {
    const registry = new GuardingRegistry(target, guards, delayMs, atOnce);
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #note(repository: string, answer: ServerResponse): void {
    this.#underWay.push(repository);
    this.mostAtOnce = Math.max(this.mostAtOnce, new Set(this.#underWay).size);
    if (this.mostAtOnce >= this.atOnce) this.#isEnough();
    answer.on('close', () => this.#underWay.splice(this.#underWay.indexOf(repository), 1));
  }

  #behind(path: string): string {
    const real = path.replace(/^\/v2\/[^/]+\//, '/v2/podwright/');
    if (this.wrongManifest === undefined) return real;
    return real.replace(/\/manifests\/sha256:[0-9a-f]+$/, `/manifests/${this.wrongManifest}`);
  }

  #isAllowed({ headers }: IncomingMessage, folder: string | undefined): boolean {
    const sent = /^Basic (.+)$/.exec(headers.authorization ?? '')?.[1];
    // The first question of a client, without credentials, is answered with what it needs.
    if (folder === undefined) return sent !== undefined || Object.keys(this.guards).length === 0;
    const guard = this.guards[folder];
    if (guard === undefined) return true;
    return sent === Buffer.from(`${guard.username}:${guard.password}`).toString('base64');
  }
}
