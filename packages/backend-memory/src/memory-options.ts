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
  const { host, registry, programs, restartBackoff, supervisedRestart, imageCapacityBytes, pinnedImages } =
    options;
  const others = Object.keys(options).filter(
    (name) => !OF_THE_AGENT.has(name) && options[name] !== undefined,
  );
  if (host !== undefined && others.length > 0) {
    throw invalid(others.join(', '), 'a host is made with its options; give them to new MemoryHost(…)');
  }
  if (registry !== undefined) checkRegistry(registry);
  if (programs !== undefined) checkPrograms(programs);
  if (restartBackoff !== undefined) checkBackoff(restartBackoff);
  if (supervisedRestart !== undefined && !isFlag(supervisedRestart)) {
    throw invalid('supervisedRestart', 'it has to be true or false');
  }
  if (imageCapacityBytes !== undefined && !isCount(imageCapacityBytes)) {
    throw invalid('imageCapacityBytes', 'it has to be a number of bytes');
  }
  if (pinnedImages !== undefined && !isTexts(pinnedImages)) {
    throw invalid('pinnedImages', 'it has to be a list of names or patterns of images');
  }
  return options;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);

/** What there is in an object, and what each has to be. */
type Fields = Readonly<Record<string, readonly [check: Check, what: string]>>;

const REGISTRY: Fields = {
  images: [Array.isArray, 'a list of images'],
  registries: [isTexts, 'a list of names'],
  pullMs: [isCount, 'a number of milliseconds'],
};

const IMAGE: Fields = {
  reference: [isText, 'the name of an image'],
  config: [isObject, 'an object'],
  files: [(value) => isObject(value) && Object.values(value).every(isText), 'texts by their paths'],
  auth: [isObject, 'an object'],
  platforms: [isTexts, 'a list of names such as linux/arm64'],
  rejected: [isFlag, 'true or false'],
  sizeBytes: [isCount, 'a number of bytes'],
};

const BACKOFF: Fields = {
  initialMs: [isCount, 'a number of milliseconds'],
  maxMs: [isCount, 'a number of milliseconds'],
};

/** @param path of the object, for the error */
function checkFields(object: Readonly<Record<string, unknown>>, path: string, fields: Fields): void {
  for (const [name, value] of Object.entries(object)) {
    const [check, what] = (Object.hasOwn(fields, name) && fields[name]) || [];
    if (check === undefined) {
      throw invalid(`${path}.${name}`, `there is only ${Object.keys(fields).join(', ')}`);
    }
    if (value !== undefined && !check(value)) throw invalid(`${path}.${name}`, `it has to be ${what}`);
  }
}

function checkRegistry(registry: unknown): void {
  if (!isObject(registry)) throw invalid('registry.images', 'it has to be a list of images');
  checkFields(registry, 'registry', REGISTRY);
  const images = registry['images'] ?? [];
  if (!Array.isArray(images)) return;
  images.forEach((image: unknown, index) => {
    const path = `registry.images[${index}]`;
    if (!isObject(image) || image['reference'] === undefined) {
      throw invalid(`${path}.reference`, 'it has to be the name of an image');
    }
    checkFields(image, path, IMAGE);
  });
}

function checkBackoff(backoff: unknown): void {
  if (!isObject(backoff) || !isCount(backoff['initialMs']) || !isCount(backoff['maxMs'])) {
    throw invalid('restartBackoff', 'it has to have initialMs and maxMs, numbers of milliseconds');
  }
  checkFields(backoff, 'restartBackoff', BACKOFF);
  if (backoff['initialMs'] > backoff['maxMs']) {
    throw invalid('restartBackoff', 'initialMs may not be greater than maxMs');
  }
}

function checkPrograms(programs: unknown): void {
  if (!isObject(programs) || Array.isArray(programs))
    throw invalid('programs', 'it has to be functions by name');
  const wrong = Object.entries(programs).find(([, program]) => typeof program !== 'function');
  if (wrong) throw invalid(`programs.${wrong[0]}`, 'it has to be a function, which a file cannot hold');
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
