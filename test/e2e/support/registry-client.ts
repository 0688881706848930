// Puts variants of an image into the registry of the tests, over its API (distribution-spec), without copying layers.
import { createHash } from 'node:crypto';
import type { OciImageExecution } from '@podwright/core';
import { testRegistry } from '../../host/images.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
/** A repository that every test may write to; its images have the layers of busybox. */
const REPOSITORY = 'podwright/busybox';
const API = `http://${testRegistry}/v2/${REPOSITORY}`;

interface Manifest {
  readonly config: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

/** @returns the reference of a tag there */
export function variantName(tag: string): string {
  return `${testRegistry}/${REPOSITORY}:${tag}`;
}

/** The busybox image with another configuration, under these tags. @returns the digest of its manifest */
export async function pushVariant(
  tags: readonly string[],
  execution: OciImageExecution = {},
): Promise<string> {
  const manifest = (await (
    await request('manifests/1', { headers: { Accept: MANIFEST } })
  ).json()) as Manifest;
  const config = (await (await request(`blobs/${manifest.config.digest}`)).json()) as {
    config?: OciImageExecution;
  };
  const text = JSON.stringify({ ...config, config: { ...config.config, ...execution } });
  const digest = await pushBlob(text);
  const body = JSON.stringify({
    ...manifest,
    config: { ...manifest.config, digest, size: Buffer.byteLength(text) },
  });
  for (const tag of tags) await pushManifest(tag, MANIFEST, body);
  return digestOf(body);
}

/** A list of manifests that has this one for this machine, and one for another. @returns the list's digest */
export async function pushList(tag: string, digest: string): Promise<string> {
  const { headers } = await request(`manifests/${digest}`, { headers: { Accept: MANIFEST } });
  const size = Number(headers.get('Content-Length'));
  const architecture = { x64: 'amd64' }[process.arch as string] ?? process.arch;
  const manifests = ['s390x', architecture].map((one) => ({
    ...{ mediaType: MANIFEST, digest, size },
    platform: { os: 'linux', architecture: one },
  }));
  const body = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
  await pushManifest(tag, INDEX, body);
  return digestOf(body);
}

async function pushBlob(text: string): Promise<string> {
  const digest = digestOf(text);
  const { headers } = await request('blobs/uploads/', { method: 'POST' });
  const location = new URL(headers.get('Location') ?? '', `http://${testRegistry}`);
  location.searchParams.set('digest', digest);
  await expectOk(
    await fetch(location, {
      method: 'PUT',
      body: text,
      headers: { 'Content-Type': 'application/octet-stream' },
    }),
  );
  return digest;
}

async function pushManifest(tag: string, type: string, body: string): Promise<void> {
  await request(`manifests/${tag}`, { method: 'PUT', headers: { 'Content-Type': type }, body });
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  return await expectOk(await fetch(`${API}/${path}`, init));
}

async function expectOk(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
