import { PodwrightError, parseImageReference } from '@podwright/core';
import { type ImageRecord, manifestDigests } from './store-records.js';

const MIN_ID_PREFIX = 12;

/** A name's repository with its registry, and what follows. */
export interface NameParts {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** A name of the store taken apart; undefined when it is none that a registry could have. */
export function nameParts(name: string): NameParts | undefined {
  try {
    const { registry, repository, tag, digest } = parseImageReference(name);
    return {
      repository: `${registry}/${repository}`,
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
    };
  } catch (error) {
    // Another program may have written any text as a name: such an image is found by its id.
    if (PodwrightError.is(error, 'invalid-argument')) return undefined;
    throw error;
  }
}

/** The name under which a pull of this reference is recorded, as docker does: with both, the digest wins. */
export function recordedName(reference: string): string {
  const { registry, repository, tag, digest } = parseImageReference(reference);
  return digest === undefined ? `${registry}/${repository}:${tag}` : `${registry}/${repository}@${digest}`;
}

/**
 * Finds an image by name, name with digest, id, beginning of an id, or digest of a manifest, in docker's order.
 * @throws PodwrightError kind `invalid-argument`: no reference, or an ambiguous beginning of an id
 */
export function findImage<T extends ImageRecord>(images: readonly T[], reference: string): T | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(reference)?.[1];
  if (hex !== undefined) {
    return (
      images.find((image) => image.id === hex) ??
      images.find((image) => manifestDigests(image).includes(`sha256:${hex}`))
    );
  }
  const prefix = new RegExp(`^(?:sha256:)?([0-9a-f]{${MIN_ID_PREFIX},63})$`).exec(reference)?.[1];
  if (prefix === undefined) return findByName(images, reference);
  const named = reference.includes(':') ? undefined : findByName(images, reference);
  return named ?? findByPrefix(images, prefix, reference);
}

function findByName<T extends ImageRecord>(images: readonly T[], reference: string): T | undefined {
  const name = recordedName(reference);
  const exact = images.find((image) => image.names?.includes(name));
  const { repository, digest } = nameParts(name) ?? { repository: name };
  if (exact !== undefined || digest === undefined) return exact;
  return images.find(
    (image) => manifestDigests(image).includes(digest) && namesIn(image.names ?? [], repository).length > 0,
  );
}

function findByPrefix<T extends ImageRecord>(
  images: readonly T[],
  prefix: string,
  reference: string,
): T | undefined {
  const [first, ...more] = images.filter((image) => image.id.startsWith(prefix));
  if (more.length > 0) {
    throw new PodwrightError(
      'invalid-argument',
      `"${reference}" is the beginning of ${more.length + 1} image ids: write more digits.`,
      { details: { value: reference } },
    );
  }
  return first;
}

/**
 * The names that are left of an image when one reference to it goes away; none: the image goes as well.
 * @param names what the image is called in the store
 * @param reference what it was found by: an id takes all names, a digest all names of that repository
 */
export function namesAfterRemoval(names: readonly string[], reference: string): readonly string[] {
  const name = namedBy(reference);
  if (name === undefined) return [];
  if (names.includes(name)) return names.filter((other) => other !== name);
  const parts = nameParts(name);
  if (parts?.digest === undefined) return [];
  const going = namesIn(names, parts.repository);
  return names.filter((other) => !going.includes(other));
}

/** The recorded name, or undefined for what is an id by its form. */
function namedBy(reference: string): string | undefined {
  return /^(?:sha256:[0-9a-f]+|[0-9a-f]{64})$/.test(reference) ? undefined : recordedName(reference);
}

function namesIn(names: readonly string[], repository: string): readonly string[] {
  return names.filter((name) => nameParts(name)?.repository === repository);
}
