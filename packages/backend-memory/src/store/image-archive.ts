import { gunzipSync } from 'node:zlib';
import { type OciImageConfig, PodwrightError } from '@podwright/core';
import { type DirectoryNode, FileTree } from '../machine/file-tree.js';
import { digestOf, type ImageContent } from './image-store.js';
import { sizeOf } from './registry.js';
import { readTar, type TarFile, writeTar } from './tar.js';

/** What `docker save` writes, or an OCI image layout in a tar file (OCI image-spec, image-layout.md). */
export type ArchiveFormat = 'docker' | 'oci';

export interface ArchivedImage {
  readonly content: ImageContent;
  readonly names: readonly string[];
}

interface DockerManifestEntry {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Files of an archive or of a layout directory, by their paths in it. */
export type ArchiveFiles = ReadonlyMap<string, Buffer>;

/** The files of a tar file, gzip-compressed or not. @throws PodwrightError kind `invalid-argument` when it is none */
export function filesOfArchive(archive: Buffer, path: string): ArchiveFiles {
  const files = readTar(inflated(archive));
  if (!files) throw new PodwrightError('invalid-argument', `${path} is no image archive: it is no tar file.`);
  return new Map(files.map((file) => [file.path.replace(/^\.\//, ''), file.data]));
}

/** The files of a directory, by their paths in it. */
export function filesOfDirectory(directory: DirectoryNode): ArchiveFiles {
  return new Map(tarFilesOf(directory).map((file) => [file.path, file.data]));
}

/**
 * The images of an archive with the names that it gives them.
 * @throws PodwrightError kind `invalid-argument` when something is missing or broken
 */
export function readImageArchive(files: ArchiveFiles, path: string): readonly ArchivedImage[] {
  const part = (name: string): Buffer => {
    const data = files.get(name);
    if (data) return data;
    throw new PodwrightError('invalid-argument', `${path} is no image archive: ${name} is missing in it.`);
  };
  if (files.has('manifest.json') || !files.has('index.json')) return readDocker(part, path);
  const blob = (digest: string) => part(`blobs/${digest.replace(':', '/')}`);
  const index: { readonly manifests: readonly Descriptor[] } = parseJson(part('index.json'), path);
  return index.manifests.map(({ digest, annotations }) => {
    const manifest: { readonly config: Descriptor; readonly layers: readonly Descriptor[] } = parseJson(
      blob(digest),
      path,
    );
    const layers = manifest.layers.map((layer) => blob(layer.digest));
    const name = annotations?.[REF_NAME];
    // A bare tag names nothing: there is no repository that it would be a tag of.
    const names = name !== undefined && /[/:]/.test(name) ? [name] : [];
    return { content: contentOf(blob(manifest.config.digest), layers, path), names };
  });
}

/** An image with its names as a tar file. */
export function writeImageArchive(
  image: ImageContent,
  names: readonly string[],
  format: ArchiveFormat,
): Buffer {
  const config: OciImageConfig = {
    ...(image.createdAtMs === undefined ? {} : { created: new Date(image.createdAtMs).toISOString() }),
    config: image.config,
  };
  const parts = { config: jsonOf(config), layer: writeTar(tarFilesOf(image.root)) };
  return writeTar(format === 'docker' ? dockerFiles(parts, names) : ociFiles(parts, names));
}

function dockerFiles(
  { config, layer }: { config: Buffer; layer: Buffer },
  names: readonly string[],
): TarFile[] {
  const manifest: readonly DockerManifestEntry[] = [
    { Config: 'config.json', RepoTags: names, Layers: ['layer.tar'] },
  ];
  return [
    { path: 'manifest.json', data: jsonOf(manifest) },
    { path: 'config.json', data: config },
    { path: 'layer.tar', data: layer },
  ];
}

function ociFiles({ config, layer }: { config: Buffer; layer: Buffer }, names: readonly string[]): TarFile[] {
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const describe = (mediaType: string, data: Buffer): Descriptor => ({
    mediaType: type(mediaType),
    digest: digestOf(data),
    size: data.length,
  });
  const manifest = jsonOf({
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: describe('config.v1+json', config),
    layers: [describe('layer.v1.tar', layer)],
  });
  const manifests = names.map((name) => ({
    ...describe('manifest.v1+json', manifest),
    annotations: { [REF_NAME]: name },
  }));
  return [
    { path: 'oci-layout', data: jsonOf({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', data: jsonOf({ schemaVersion: 2, manifests }) },
    ...[manifest, config, layer].map((data) => ({ path: `blobs/${digestOf(data).replace(':', '/')}`, data })),
  ];
}

function readDocker(part: (name: string) => Buffer, path: string): readonly ArchivedImage[] {
  const manifest: readonly DockerManifestEntry[] = parseJson(part('manifest.json'), path);
  return manifest.map(({ Config, RepoTags, Layers }) => ({
    content: contentOf(part(Config), Layers.map(part), path),
    names: RepoTags ?? [],
  }));
}

function contentOf(configuration: Buffer, layers: readonly Buffer[], path: string): ImageContent {
  const { config = {}, created }: OciImageConfig = parseJson(configuration, path);
  const tree = new FileTree();
  for (const layer of layers) applyLayer(tree, readTar(inflated(layer)) ?? []);
  const id = digestOf(configuration);
  return {
    id,
    digest: digestOf(`manifest of ${id}`),
    config,
    root: tree.root,
    sizeBytes: sizeOf(tree.root),
    ...(created === undefined ? {} : { createdAtMs: Date.parse(created) }),
  };
}

/** Puts a layer on those below it; whiteouts (OCI image-spec, layer.md) remove what they name. */
function applyLayer(tree: FileTree, files: readonly TarFile[]): void {
  for (const { path } of files) {
    const [, folder = '', name = ''] = /^(.*\/)?\.wh\.(.+)$/s.exec(path) ?? [];
    if (name === '.wh..opq') tree.remove(`/${folder.replace(/\/$/, '')}`);
    else if (name !== '') tree.remove(`/${folder}${name}`);
  }
  for (const { path, data } of files) {
    if (!/(^|\/)\.wh\.[^/]*$/.test(path)) tree.writeFile(`/${path}`, data);
  }
}

function tarFilesOf(directory: DirectoryNode, above = ''): readonly TarFile[] {
  return [...directory.entries].flatMap(([name, node]) =>
    node.kind === 'file'
      ? [{ path: `${above}${name}`, data: node.data }]
      : tarFilesOf(node, `${above}${name}/`),
  );
}

function inflated(data: Buffer): Buffer {
  return data[0] === 0x1f && data[1] === 0x8b ? gunzipSync(data) : data;
}

function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function parseJson<T>(data: Buffer, path: string): T {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch (error) {
    throw new PodwrightError('invalid-argument', `${path} is no image archive: it holds broken JSON.`, {
      cause: error,
    });
  }
}
