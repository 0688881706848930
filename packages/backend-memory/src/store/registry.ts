import {
  formatImageReference,
  type ImageReference,
  PodwrightError,
  parseImageReference,
  type RegistryAuth,
} from '@podwright/core';
import { type FileNode, FileTree } from '../machine/file-tree.js';
import type { MemoryRegistryOptions, RegistryImage } from '../memory-options.js';
import { digestOf, type ImageContent } from './image-store.js';

const DEFAULT_REGISTRY = 'docker.io';

/** What every image has unless it brings its own. */
const STANDARD_FILES: Readonly<Record<string, string>> = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
  '/etc/group': 'root:x:0:\n',
};

interface Offer {
  readonly content: ImageContent;
  readonly image: RegistryImage;
}

/** The platform of the simulated machine. */
const PLATFORM = 'linux/amd64';

/** The registries of the simulation and what they answer. */
export class SimulatedRegistries {
  readonly #images = new Map<string, Offer>();
  readonly #hosts: ReadonlySet<string>;

  constructor(options: MemoryRegistryOptions, nowMs: number) {
    const hosts = new Set([DEFAULT_REGISTRY, ...(options.registries ?? [])]);
    for (const image of options.images ?? []) {
      const { registry, repository, tag } = parseImageReference(image.reference);
      const content = contentOf(image, nowMs);
      hosts.add(registry);
      for (const name of [tag === undefined ? {} : { tag }, { digest: content.digest }]) {
        this.#images.set(formatImageReference({ registry, repository, ...name }), {
          content,
          image,
        });
      }
    }
    this.#hosts = hosts;
  }

  /** @throws PodwrightError kind `unreachable`, `image-not-found`, `unauthorized`, `signature-rejected` */
  resolve(reference: ImageReference, auth: RegistryAuth | undefined): ImageContent {
    const { registry, repository, tag, digest } = reference;
    const full = formatImageReference(reference);
    if (!this.#hosts.has(registry)) {
      throw new PodwrightError(
        'unreachable',
        `Registry ${registry} of image ${full} does not answer. Check its name and the network.`,
        { details: { registry, reference: full } },
      );
    }
    const name = digest === undefined ? { ...(tag === undefined ? {} : { tag }) } : { digest };
    const found = this.#images.get(formatImageReference({ registry, repository, ...name }));
    if (!found) {
      throw new PodwrightError(
        'image-not-found',
        `Registry ${registry} has no image ${full}. Check its name and tag.`,
        { details: { registry, reference: full } },
      );
    }
    const { auth: wanted, platforms, rejected } = found.image;
    if (wanted && (wanted.username !== auth?.username || wanted.password !== auth.password)) {
      throw new PodwrightError(
        'unauthorized',
        `Registry ${registry} refuses image ${full}: ${auth ? 'user name or password is wrong' : 'it wants credentials'}.`,
        { details: { registry, reference: full } },
      );
    }
    if (platforms && !platforms.includes(PLATFORM)) {
      throw new PodwrightError(
        'image-not-found',
        `Image ${full} is not made for this platform: there is ${platforms.join(', ') || 'none'}, and not ${PLATFORM}.`,
        { details: { platform: PLATFORM, platforms } },
      );
    }
    if (rejected) {
      throw new PodwrightError(
        'signature-rejected',
        `The signature policy of the simulated host does not allow image ${full}. Sign it, or change the policy.`,
        { details: { reference: full } },
      );
    }
    return found.content;
  }
}

function contentOf(image: RegistryImage, nowMs: number): ImageContent {
  const files = { ...STANDARD_FILES, ...image.files };
  const tree = new FileTree();
  for (const folder of ['/bin', '/root', '/tmp', '/var', '/proc', '/sys', '/dev']) tree.makeDirectory(folder);
  for (const [path, text] of Object.entries(files)) tree.writeFile(path, text);
  const config = image.config ?? { Cmd: ['sh'] };
  const id = digestOf(JSON.stringify({ config, files }));
  return {
    id,
    digest: digestOf(`manifest of ${id}`),
    config,
    root: tree.root,
    sizeBytes: image.sizeBytes ?? sizeOf(tree.root),
    createdAtMs: nowMs,
  };
}

export function sizeOf(node: FileNode): number {
  if (node.kind === 'file') return node.data.length;
  return [...node.entries.values()].reduce((sum, entry) => sum + sizeOf(entry), 0);
}
