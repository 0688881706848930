import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = fileURLToPath(new URL('agent-in-container.mjs', import.meta.url));

/** Where the repository lies in the image. */
const APP = '/app';
/** The agent's program, in the image. */
export const agentProgram = join(APP, relative(REPOSITORY, PROGRAM));

/**
 * Writes an image with Node, nsenter, their libraries and the built packages (`npm run build` first), and nothing else:
 * an OCI layout of one layer, not compressed.
 * @param folder an empty directory
 */
export async function writeAgentImage(folder: string): Promise<void> {
  const blobs = join(folder, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const tar = join(folder, 'layer.tar');
  const programs = [await realpath(process.execPath), '/usr/bin/nsenter'];
  const files = new Set([...programs, ...programs.flatMap(librariesOf)]);
  const owned = ['--owner=0', '--group=0', '--no-recursion', '--hard-dereference'];
  execFileSync('tar', ['-cf', tar, ...owned, '-h', '-C', '/', ...[...files].map((path) => path.slice(1))]);
  const list = join(folder, 'list');
  await writeFile(list, [...(await applicationFiles()), relative(REPOSITORY, PROGRAM)].join('\n'));
  const renamed = `--transform=s,^,${APP.slice(1)}/,rSh`;
  execFileSync('tar', ['-rf', tar, ...owned, renamed, '-C', REPOSITORY, '-T', list]);

  const layer = await nameBlob(tar, blobs);
  const config = await writeBlob(blobs, {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/usr/bin'], Entrypoint: [programs[0]], WorkingDir: APP },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const manifest = await writeBlob(blobs, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  });
  const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** As the loader names them: the places that a program looks at. */
function librariesOf(program: string): readonly string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}

/** What the package `podwright` needs to run, by paths in the repository. */
async function applicationFiles(): Promise<readonly string[]> {
  const packages = new Set<string>();
  const links = new Set<string>();
  const visit = async (name: string, from: string): Promise<void> => {
    const found = await findPackage(name, from);
    const folder = await realpath(found);
    if (found !== folder) links.add(relative(REPOSITORY, found));
    if (packages.has(folder)) return;
    packages.add(folder);
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    for (const dependency of Object.keys(manifest.dependencies ?? {})) await visit(dependency, folder);
  };
  await visit('podwright', REPOSITORY);
  for (const name of ['core', 'nsenter']) await visit(`@podwright/${name}`, REPOSITORY);
  const files = await Promise.all([...packages].map(filesOf));
  return [...links, ...files.flat().map((path) => relative(REPOSITORY, path))];
}

async function findPackage(name: string, from: string): Promise<string> {
  for (const path of createRequire(join(from, 'package.json')).resolve.paths(name) ?? []) {
    const found = join(path, name);
    if (await stat(found).catch(() => undefined)) return found;
  }
  throw new Error(`${name} is not installed for ${from}.`);
}

/** All of a package that Node may load; the sources of our own it may not. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(js|cjs|mjs|json|node|wasm)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).includes('node_modules/'));
}

async function nameBlob(path: string, blobs: string) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const digest = hash.digest('hex');
  await rename(path, join(blobs, digest));
  return { digest: `sha256:${digest}`, size: (await stat(join(blobs, digest))).size };
}

async function writeBlob(blobs: string, content: object) {
  const path = join(dirname(blobs), 'document');
  await writeFile(path, JSON.stringify(content));
  return nameBlob(path, blobs);
}
