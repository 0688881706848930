import { type OciImageConfig, PodwrightError } from '@podwright/core';
import { type DirectoryNode, FileTree } from '../machine/file-tree.js';
import { digestOf, type ImageContent } from './image-store.js';
import { sizeOf } from './registry.js';
import { readTar, type TarFile, writeTar } from './tar.js';

interface ManifestEntry {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

/**
 * The images of what `docker save` writes: manifest.json, a configuration and layers as tar files.
 * @throws PodwrightError kind `invalid-argument` when it is no such archive
 */
export function readDockerArchive(
  archive: Buffer,
  path: string,
): readonly { content: ImageContent; names: readonly string[] }[] {
  const files = new Map(readTar(archive)?.map((file) => [file.path, file.data]));
  const part = (name: string): Buffer => {
    const data = files.get(name);
    if (data) return data;
    throw new PodwrightError(
      'invalid-argument',
      `${path} is no image archive as docker save writes it: ${name} is missing.`,
    );
  };
  const manifest: readonly ManifestEntry[] = parseJson(part('manifest.json'), path);
  return manifest.map(({ Config, RepoTags, Layers }) => {
    const text = part(Config).toString('utf8');
    const config: OciImageConfig = parseJson(part(Config), path);
    const tree = new FileTree();
    for (const layer of Layers) {
      for (const { path: name, data } of readTar(part(layer)) ?? []) tree.writeFile(`/${name}`, data);
    }
    const id = digestOf(text);
    const content: ImageContent = {
      id,
      digest: digestOf(`manifest of ${id}`),
      config: config.config ?? {},
      root: tree.root,
      sizeBytes: sizeOf(tree.root),
      ...(config.created === undefined ? {} : { createdAtMs: Date.parse(config.created) }),
    };
    return { content, names: RepoTags ?? [] };
  });
}

/** An image with its names, as `docker save` writes it. */
export function writeDockerArchive(image: ImageContent, names: readonly string[]): Buffer {
  const config: OciImageConfig = {
    ...(image.createdAtMs === undefined ? {} : { created: new Date(image.createdAtMs).toISOString() }),
    config: image.config,
  };
  const manifest: readonly ManifestEntry[] = [
    { Config: 'config.json', RepoTags: names, Layers: ['layer.tar'] },
  ];
  return writeTar([
    { path: 'manifest.json', data: Buffer.from(JSON.stringify(manifest)) },
    { path: 'config.json', data: Buffer.from(JSON.stringify(config)) },
    { path: 'layer.tar', data: writeTar(filesOf(image.root)) },
  ]);
}

function filesOf(directory: DirectoryNode, above = ''): readonly TarFile[] {
  return [...directory.entries].flatMap(([name, node]) =>
    node.kind === 'file' ? [{ path: `${above}${name}`, data: node.data }] : filesOf(node, `${above}${name}/`),
  );
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
