import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { type Container, PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodDialer, portNumber } from './pod-dialer.js';

type HttpGet = NonNullable<NonNullable<Container['readinessProbe']>['httpGet']>;

export interface HttpAnswer {
  readonly statusCode: number;
  /** The beginning of the body. */
  readonly body: string;
}

/** As much of an answer as the kubelet reads, in bytes. */
const READ_BYTES = 10 * 1024;
const MOST_REDIRECTS = 10;

/** GET requests of probes and hooks, as the kubelet sends them (pkg/probe/http/request.go). */
@injectable()
export class PodHttp {
  constructor(@inject(PodDialer) private readonly dialer: PodDialer) {}

  /**
   * Follows redirects to the same host; one to another host is the answer. Certificates are not checked.
   * @throws PodwrightError as `RuntimeService.portForward`, and kind `unreachable` after 10 redirects; Error when the answer
   *   is no HTTP
   */
  async get(
    container: Container,
    sandboxId: string,
    httpGet: HttpGet,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const port = portNumber(container, httpGet.port);
    const host = await this.dialer.hostOf({ sandboxId, host: httpGet.host, port }, signal);
    const name = host.includes(':') ? `[${host}]` : host;
    let url = new URL(httpGet.path, `${httpGet.scheme.toLowerCase()}://${name}:${port}`);
    const first = url.hostname;
    for (let redirects = 1; ; redirects++) {
      const answer = await this.getOnce(url, { sandboxId, host, headers: httpGet.httpHeaders }, signal);
      const next = answer.location === undefined ? undefined : URL.parse(answer.location, url.href);
      const isSameHost = next?.hostname === first && /^https?:$/.test(next.protocol);
      if (!next || !isSameHost) return answer;
      if (redirects === MOST_REDIRECTS) throw redirectedForEver(next);
      url = next;
    }
  }

  private async getOnce(
    url: URL,
    target: { readonly sandboxId: string; readonly host: string; readonly headers: HttpGet['httpHeaders'] },
    signal: AbortSignal,
  ): Promise<HttpAnswer & { readonly location: string | undefined }> {
    const isTls = url.protocol === 'https:';
    const port = Number(url.port || (isTls ? 443 : 80));
    const raw = await this.dialer.connect({ sandboxId: target.sandboxId, host: target.host, port }, signal);
    const connection = isTls ? tlsConnect({ socket: raw, rejectUnauthorized: false }) : raw;
    try {
      const request = httpRequest({
        path: `${url.pathname}${url.search}`,
        // In a list, so that a header that is given twice is sent twice.
        headers: headerList(url.host, target.headers),
        createConnection: () => connection,
        signal,
      });
      request.end();
      return await answerOf(request);
    } finally {
      connection.destroy();
      raw.destroy();
    }
  }
}

function redirectedForEver({ href }: URL): PodwrightError {
  return new PodwrightError(
    'unreachable',
    `The server has answered with ${MOST_REDIRECTS} redirects in a row, the last one to ${href}: let it answer itself.`,
    { details: { location: href } },
  );
}

function headerList(host: string, given: HttpGet['httpHeaders']): string[] {
  const names = new Set(given.map(({ name }) => name.toLowerCase()));
  const own = { Host: host, 'User-Agent': 'podwright-probe/1', Accept: '*/*', Connection: 'close' };
  return [
    ...Object.entries(own).filter(([name]) => !names.has(name.toLowerCase())),
    ...given.map(({ name, value }) => [name, value]),
  ].flat();
}

async function answerOf(request: ClientRequest): Promise<HttpAnswer & { location: string | undefined }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
  });
  const { statusCode = 0, headers } = response;
  const isRedirect = statusCode >= 300 && statusCode < 400;
  return {
    statusCode,
    body: (await beginningOf(response)).toString('utf8'),
    location: isRedirect ? headers.location : undefined,
  };
}

async function beginningOf(stream: Duplex | IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes >= READ_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, READ_BYTES);
}
