import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Container, parsePod } from '@podwright/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PodHttp } from './pod-http.js';

/** Signed by itself, for another name. */
let certificate: { readonly key: Buffer; readonly cert: Buffer };
let folder: string;
const servers: Server[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-https-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name)) as [string, string];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=elsewhere.example', '-days', '1'];
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert]);
  certificate = { key: await readFile(key), cert: await readFile(cert) };
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => rm(folder, { recursive: true }));

async function serve(scheme: 'HTTP' | 'HTTPS', listener: RequestListener): Promise<number> {
  const server = scheme === 'HTTPS' ? createHttpsServer(certificate, listener) : createHttpServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const http: PodHttp = Reflect.construct(PodHttp, [
  {
    hostOf: async () => '127.0.0.1',
    connect: async ({ port }: { port: number }) => connect(port, '127.0.0.1'),
  },
]);

function container(port: number, rest: Readonly<Record<string, unknown>> = {}): Container {
  const httpGet = { port, path: '/healthz?full=1', scheme: 'HTTPS', ...rest };
  const pod = parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i', livenessProbe: { httpGet } }] },
  });
  const [first] = pod.spec.containers;
  if (first === undefined) throw new Error('no container');
  return first;
}

async function get(port: number, rest?: Readonly<Record<string, unknown>>) {
  const probed = container(port, rest);
  const { httpGet } = probed.livenessProbe ?? {};
  if (httpGet === undefined) throw new Error('no httpGet');
  return await http.get(probed, 's1', httpGet, new AbortController().signal);
}

describe('a GET over HTTPS', () => {
  it('takes any certificate, as the kubelet does, and asks as over HTTP', async () => {
    const asked: (string | undefined)[] = [];
    const port = await serve('HTTPS', ({ url, headers }, response) => {
      asked.push(url, headers.host, headers['x-probe'] as string);
      response.end('fine');
    });
    const answer = await get(port, { httpHeaders: [{ name: 'X-Probe', value: 'yes' }] });
    expect(answer).toMatchObject({ statusCode: 200, body: 'fine' });
    expect(asked).toEqual(['/healthz?full=1', `127.0.0.1:${port}`, 'yes']);
  });

  it('tells the status code', async () => {
    const port = await serve('HTTPS', (_request, response) => response.writeHead(503).end('not yet'));
    expect(await get(port)).toMatchObject({ statusCode: 503, body: 'not yet' });
  });

  it('follows a redirect from HTTP to the same host', async () => {
    const secure = await serve('HTTPS', (_request, response) => response.end('secure'));
    const location = `https://127.0.0.1:${secure}/`;
    const plain = await serve('HTTP', (_request, response) => response.writeHead(302, { location }).end());
    expect(await get(plain, { scheme: 'HTTP' })).toMatchObject({ statusCode: 200, body: 'secure' });
  });

  it('fails where nobody speaks TLS', async () => {
    const port = await serve('HTTP', (_request, response) => response.end('plain'));
    await expect(get(port)).rejects.toThrow();
  });
});

describe('redirects to the same host', () => {
  it.each([
    [0, 200],
    [9, 200],
  ])('of %i in a row the answer is what comes then', async (redirects, statusCode) => {
    const { port, asked } = await redirecting(redirects);
    expect(await get(port, { scheme: 'HTTP' })).toMatchObject({ statusCode });
    expect(asked()).toBe(redirects + 1);
  });

  it.each([10, Number.POSITIVE_INFINITY])(
    'of %f in a row are a failure, after 10 requests',
    async (redirects) => {
      const { port, asked } = await redirecting(redirects);
      await expect(get(port, { scheme: 'HTTP' })).rejects.toMatchObject({
        kind: 'unreachable',
        message: expect.stringMatching(/10 redirects/),
      });
      expect(asked()).toBe(10);
    },
  );
});

/** A server that sends its clients to itself this often. */
async function redirecting(times: number) {
  let count = 0;
  const port = await serve('HTTP', (_request, response) => {
    count++;
    if (count > times) response.end('there');
    else response.writeHead(302, { location: `/${count}` }).end();
  });
  return { port, asked: () => count };
}
