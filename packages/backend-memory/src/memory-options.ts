import { type OciImageExecution, PodwrightError, type RegistryAuth } from '@podwright/core';
import type { Program } from './machine/simulated-process.js';
import type { MemoryHost } from './memory-host.js';

/** An image that the simulated registry has. */
export interface RegistryImage {
  /** Any form that docker takes, with a tag. */
  readonly reference: string;
  /** How its containers run by default, with the names of the OCI image-spec. Default: `Cmd: ['sh']`. */
  readonly config?: OciImageExecution;
  /** Text of each file by its absolute path; /etc/passwd and /etc/group are those of root unless given. */
  readonly files?: Readonly<Record<string, string>>;
  /** Credentials that a pull has to bring. */
  readonly auth?: RegistryAuth;
  /** What it is made for, such as `linux/arm64`; absent: for every machine. The simulated one is `linux/amd64`. */
  readonly platforms?: readonly string[];
  /** True: the machine's signature policy does not take it. */
  readonly rejected?: boolean;
  /** Size in bytes; default: that of its files. */
  readonly sizeBytes?: number;
}

/** The registries that exist in the simulation. A registry that is in none of its images does not answer. */
export interface MemoryRegistryOptions {
  readonly images?: readonly RegistryImage[];
  /** Registries that answer though they have no image of the list; `docker.io` is always one. */
  readonly registries?: readonly string[];
  /** How long a pull takes, in milliseconds. Default 0. */
  readonly pullMs?: number;
}

export interface RestartBackoff {
  /** Before the second restart; the first one follows at once. */
  readonly initialMs: number;
  /** The delay doubles up to this. */
  readonly maxMs: number;
}

/** What the memory backend is told. */
export interface MemoryOptions {
  /** The machine that outlives the agent; absent: one of this runtime alone, switched off when it is disposed. */
  readonly host?: MemoryHost;
  readonly registry?: MemoryRegistryOptions;
  /** Programs beside the standard ones, by name: what a container or an exec with that command does. */
  readonly programs?: Readonly<Record<string, Program>>;
  /** Default 10 s, growing to 5 minutes. */
  readonly restartBackoff?: RestartBackoff;
  /** False: containers are restarted by whoever made them, which is PodRuntime. Default true. */
  readonly supervisedRestart?: boolean;
  /** Bytes that the image store may hold; default 10 GiB. */
  readonly imageCapacityBytes?: number;
  /** Images that garbage collection leaves alone, as `isPinned` of core reads them. */
  readonly pinnedImages?: readonly string[];
}

/** Options that make a machine; they are of no use together with `host`, which is one already. */
export type MemoryHostOptions = Omit<MemoryOptions, 'host' | 'supervisedRestart'>;

const KNOWN = new Set([
  'host',
  'registry',
  'programs',
  'restartBackoff',
  'supervisedRestart',
  'imageCapacityBytes',
  'pinnedImages',
]);

/** The others make a machine. */
const OF_THE_AGENT = new Set(['host', 'supervisedRestart']);

/**
 * Checks options that come from a configuration file, where nobody has typed them.
 * @throws PodwrightError kind `invalid-argument` that names the option
 */
export function parseMemoryOptions(options: Readonly<Record<string, unknown>>): MemoryOptions {
  const unknown = Object.keys(options).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) {
    throw invalid(unknown.join(', '), `the memory backend knows only ${[...KNOWN].join(', ')}`);
  }
  const { host, registry, restartBackoff, supervisedRestart, imageCapacityBytes, pinnedImages } = options;
  const others = Object.keys(options).filter(
    (name) => !OF_THE_AGENT.has(name) && options[name] !== undefined,
  );
  if (host !== undefined && others.length > 0) {
    throw invalid(others.join(', '), 'a host is made with its options; give them to new MemoryHost(…)');
  }
  if (registry !== undefined) checkRegistry(registry);
  if (restartBackoff !== undefined) checkBackoff(restartBackoff);
  if (supervisedRestart !== undefined && typeof supervisedRestart !== 'boolean') {
    throw invalid('supervisedRestart', 'it has to be true or false');
  }
  if (imageCapacityBytes !== undefined && !isCount(imageCapacityBytes)) {
    throw invalid('imageCapacityBytes', 'it has to be a number of bytes');
  }
  const isText = (pattern: unknown) => typeof pattern === 'string';
  if (pinnedImages !== undefined && !(Array.isArray(pinnedImages) && pinnedImages.every(isText))) {
    throw invalid('pinnedImages', 'it has to be a list of names or patterns of images');
  }
  return options;
}

function checkRegistry(registry: unknown): void {
  const images = isObject(registry) ? (registry['images'] ?? []) : undefined;
  if (!Array.isArray(images)) throw invalid('registry.images', 'it has to be a list of images');
  images.forEach((image: unknown, index) => {
    if (!isObject(image) || typeof image['reference'] !== 'string') {
      throw invalid(`registry.images[${index}].reference`, 'it has to be the name of an image');
    }
  });
}

function checkBackoff(backoff: unknown): void {
  if (!isObject(backoff) || !isCount(backoff['initialMs']) || !isCount(backoff['maxMs'])) {
    throw invalid('restartBackoff', 'it has to have initialMs and maxMs, numbers of milliseconds');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function invalid(option: string, why: string): PodwrightError {
  return new PodwrightError(
    'invalid-argument',
    `Option "${option}" of the memory backend is wrong: ${why}.`,
    {
      details: { option },
    },
  );
}
