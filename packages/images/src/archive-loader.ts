import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, type Image, messageOf, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { archiveKind, dockerArchiveEntries, layoutManifests, layoutNames } from './image-archive.js';
import { parseImageConfig } from './image-config.js';
import { recordedName } from './image-lookup.js';
import { ImageStore } from './image-store.js';
import { LeftoverLayers } from './leftover-layers.js';
import { chooseManifest, type Descriptor, hostPlatform, noPlatform, parseManifest } from './manifest.js';
import { PlainArchives } from './plain-archives.js';
import { type FileTransport, SignaturePolicy } from './signature-policy.js';
import { Skopeo, type SkopeoSource } from './skopeo.js';
import { EVERYTHING, StoreLocks } from './store-locks.js';
import { type WorkDir, WorkDirs } from './work-dirs.js';

/** An image of an archive, ready for skopeo. */
interface Entry {
  readonly source: SkopeoSource;
  /** Hexadecimal, without `sha256:`. */
  readonly id: string;
  readonly names: readonly string[];
  readonly diffIds: readonly string[];
}

/** Loads images from files on the host. */
@injectable()
export class ArchiveLoader {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(Skopeo) private readonly skopeo: Skopeo,
    @inject(ImageStore) private readonly store: ImageStore,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(WorkDirs) private readonly workDirs: WorkDirs,
    @inject(PlainArchives) private readonly plain: PlainArchives,
    @inject(SignaturePolicy) private readonly policy: SignaturePolicy,
    @inject(LeftoverLayers) private readonly leftovers: LeftoverLayers,
  ) {}

  /** See `ImageService.loadImage`. Everything in the archive is looked at before the first image is stored. */
  async load(
    path: string,
    options: CallOptions & { readonly reference?: string } = {},
  ): Promise<readonly Image[]> {
    const { reference, signal } = options;
    await using work = await this.workDirs.create();
    const entries = await this.#entries(path, work, { ...(signal && { signal }) });
    if (reference !== undefined && entries.length > 1) {
      throw new PodwrightError(
        'invalid-argument',
        `${path} holds ${entries.length} images: one name cannot be given to all of them. Load it without a name.`,
      );
    }
    const images: Image[] = [];
    for (const entry of entries) {
      const names = (reference === undefined ? entry.names : [reference]).map(recordedName);
      images.push(
        await this.#store(path, entry, names.length === 0 ? [`@${entry.id}`] : names, work, options),
      );
    }
    return images;
  }

  async #store(
    path: string,
    entry: Entry,
    names: readonly string[],
    work: WorkDir,
    { signal }: CallOptions,
  ): Promise<Image> {
    const call = { doing: `Loading ${names[0]} from ${path}`, ...(signal && { signal }) };
    using lease = await this.locks.shared([EVERYTHING], signal);
    const before = await this.store.allLayers();
    try {
      for (const name of names) {
        await this.skopeo.copy(entry.source, await this.store.copyTarget(name), work.path, call);
      }
    } catch (error) {
      lease[Symbol.dispose]();
      await this.leftovers.remove(entry.diffIds, before);
      throw error;
    }
    const stored = await this.store.resolve(`sha256:${entry.id}`);
    if (stored !== undefined) return stored.image;
    throw new PodwrightError(
      'not-found',
      `The image of ${path} was loaded and at once removed by another program.`,
    );
  }

  async #entries(path: string, work: WorkDir, options: CallOptions): Promise<readonly Entry[]> {
    const isDirectory = await stat(this.executor.hostPath(path)).then(
      (found) => found.isDirectory(),
      (cause: unknown) => {
        throw new PodwrightError('not-found', `There is no image archive ${path}: ${messageOf(cause)}.`, {
          cause,
        });
      },
    );
    if (isDirectory) return await this.#layoutEntries(path, path, 'oci', work);
    const archive = await this.plain.archive(path, work, options);
    const members = await this.#tar(archive, path, ['--list'], options);
    const kind = archiveKind(members.toString('utf8').split('\n'));
    if (kind === undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `${path} is no image: it has neither an OCI layout (oci-layout, index.json) nor docker's manifest.json.`,
      );
    }
    if (kind === 'docker') return await this.#dockerEntries(archive, path, options);
    const layout = join(work.path, 'layout');
    await mkdir(this.executor.hostPath(layout));
    await this.#tar(archive, path, ['--extract', '--no-same-owner', '--directory', layout], options);
    return await this.#layoutEntries(layout, path, 'oci-archive', work);
  }

  async #layoutEntries(
    layout: string,
    path: string,
    transport: FileTransport,
    work: WorkDir,
  ): Promise<readonly Entry[]> {
    const index = await this.#readMember(layout, 'index.json', path);
    await this.#readMember(layout, 'oci-layout', path);
    const byDigest = new Map<string, Descriptor[]>();
    for (const manifest of layoutManifests(index, path)) {
      byDigest.set(manifest.digest, [...(byDigest.get(manifest.digest) ?? []), manifest]);
    }
    const policyPath = await this.policy.forLayoutsOf(transport, path, work.path);
    const entries: Entry[] = [];
    for (const [digest, [manifest, ...more]] of byDigest) {
      if (manifest === undefined) continue;
      const { config } = await this.#layoutConfig(layout, manifest, path);
      const text = await this.#readBlob(layout, config, path);
      const single = await this.#singleLayout(layout, manifest, join(work.path, `image-${entries.length}`));
      entries.push({
        source: { name: `oci:${single}`, ...(policyPath === undefined ? {} : { policyPath }) },
        id: hexOf(config),
        names: [...new Set([manifest, ...more].flatMap(layoutNames))],
        diffIds: parseImageConfig(text, `${digest} in ${path}`).rootfs?.diff_ids ?? [],
      });
    }
    return entries;
  }

  async #layoutConfig(
    layout: string,
    descriptor: Descriptor,
    path: string,
  ): Promise<{ readonly config: string }> {
    const manifest = parseManifest(await this.#readBlob(layout, descriptor.digest, path));
    if (manifest?.type === 'image') return { config: manifest.config.digest };
    const chosen = manifest && chooseManifest(manifest.manifests, hostPlatform(process.arch));
    if (chosen !== undefined) return await this.#layoutConfig(layout, chosen, path);
    throw manifest?.type !== 'index'
      ? new PodwrightError(
          'invalid-argument',
          `${path} is damaged: ${descriptor.digest} in it is no manifest.`,
        )
      : noPlatform(`The image in ${path}`, manifest.manifests);
  }

  /** A layout with one image only: skopeo 1.9 can choose among several by an unambiguous name alone. */
  async #singleLayout(layout: string, manifest: Descriptor, path: string): Promise<string> {
    const reached = this.executor.hostPath(path);
    const { annotations: _, ...plain } = manifest;
    await mkdir(reached);
    await writeFile(join(reached, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(reached, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [plain] }));
    await symlink(join(layout, 'blobs'), join(reached, 'blobs'));
    return path;
  }

  async #dockerEntries(archive: string, path: string, options: CallOptions): Promise<readonly Entry[]> {
    const manifest = await this.#tar(
      archive,
      path,
      ['--extract', '--to-stdout', '--', 'manifest.json'],
      options,
    );
    const entries: Entry[] = [];
    for (const { config, names } of dockerArchiveEntries(manifest.toString('utf8'), path)) {
      const content = await this.#tar(archive, path, ['--extract', '--to-stdout', '--', config], options);
      entries.push({
        source: { name: `docker-archive:${archive}:@${entries.length}` },
        id: createHash('sha256').update(content).digest('hex'),
        names,
        diffIds: parseImageConfig(content.toString('utf8'), path).rootfs?.diff_ids ?? [],
      });
    }
    return entries;
  }

  async #readMember(layout: string, member: string, path: string): Promise<string> {
    return await readFile(this.executor.hostPath(join(layout, member)), 'utf8').catch((cause: unknown) => {
      throw new PodwrightError(
        'invalid-argument',
        `${path} is no OCI layout, or a damaged one: its ${member} cannot be read.`,
        { cause },
      );
    });
  }

  #readBlob(layout: string, digest: string, path: string): Promise<string> {
    const [algorithm = '', hex = ''] = digest.split(':');
    return this.#readMember(layout, join('blobs', algorithm, hex), path);
  }

  async #tar(
    archive: string,
    path: string,
    args: readonly string[],
    { signal }: CallOptions,
  ): Promise<Buffer> {
    const [action = '', ...rest] = args;
    const { stdout, stderr, exitCode } = await this.executor.run({
      command: 'tar',
      args: [action, '--file', archive, ...rest],
      okExitCodes: 'any',
      ...(signal && { signal }),
    });
    if (exitCode === 0) return stdout;
    const said = stderr.toString('utf8').trim();
    const isFull = said.includes('No space left on device');
    throw new PodwrightError(
      isFull ? 'no-space' : 'invalid-argument',
      isFull ? `${path} cannot be unpacked: ${said}` : `${path} is no readable tar archive: ${said}`,
      { details: { exitCode, stderr: said } },
    );
  }
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}
