// What a docker-registry finds in its file system: images of an OCI layout, put there without a registry running.
// Layout: github.com/distribution/distribution, registry/storage/paths.go.
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Puts images of a layout into the storage of a registry, which must be on the same file system; blobs are hard links.
 * @param storage the registry's `rootdirectory`
 * @param layout an OCI layout
 * @param images `{name, repository, tag}`: `name` as in the layout's index
 */
export function fillStorage(storage, layout, images) {
  const root = join(storage, 'docker/registry/v2');
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  for (const { name, repository, tag } of images) {
    const { digest } = manifests.find(
      ({ annotations }) => annotations['org.opencontainers.image.ref.name'] === name,
    );
    const { config, layers } = JSON.parse(readFileSync(blobOf(layout, digest), 'utf8'));
    const folder = join(root, 'repositories', repository);
    for (const each of [config, ...layers].map((descriptor) => descriptor.digest)) {
      addBlob(root, layout, each);
      writeLink(join(folder, '_layers', path(each)), each);
    }
    addBlob(root, layout, digest);
    writeLink(join(folder, '_manifests/revisions', path(digest)), digest);
    writeLink(join(folder, '_manifests/tags', tag, 'current'), digest);
    writeLink(join(folder, '_manifests/tags', tag, 'index', path(digest)), digest);
  }
}

function addBlob(root, layout, digest) {
  const [algorithm, hex] = digest.split(':');
  const folder = join(root, 'blobs', algorithm, hex.slice(0, 2), hex);
  mkdirSync(folder, { recursive: true });
  try {
    linkSync(blobOf(layout, digest), join(folder, 'data'));
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}

function writeLink(folder, digest) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'link'), digest);
}

function blobOf(layout, digest) {
  return join(layout, 'blobs', path(digest));
}

function path(digest) {
  return digest.replace(':', '/');
}
