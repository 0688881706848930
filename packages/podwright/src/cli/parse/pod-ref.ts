import { type ContainerRef, type PodRef, PodwrightError } from '@podwright/core';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * A pod as people name it: `NAME`, `NAMESPACE/NAME`, a UUID, or `uid:UID` for any other uid.
 * @throws PodwrightError kind `invalid-argument`
 */
export function parsePodRef(text: string, namespace?: string): PodRef {
  if (text.startsWith('uid:') && text.length > 4) return { uid: text.slice(4) };
  if (UUID.test(text)) return { uid: text };
  const parts = text.split('/');
  if (parts.length > 2 || parts.some((part) => part === '')) {
    throw new PodwrightError(
      'invalid-argument',
      `"${text}" names no pod: write NAME, NAMESPACE/NAME, or uid:UID.`,
    );
  }
  const [first = '', second] = parts;
  if (second === undefined) return { name: first, ...(namespace === undefined ? {} : { namespace }) };
  if (namespace !== undefined && namespace !== first) {
    throw new PodwrightError(
      'invalid-argument',
      `The pod "${text}" and the flag --namespace ${namespace} name different namespaces.`,
    );
  }
  return { name: second, namespace: first };
}

export function parseContainerRef(
  text: string,
  { namespace, container }: { readonly namespace?: string; readonly container?: string },
): ContainerRef {
  return { ...parsePodRef(text, namespace), ...(container === undefined ? {} : { container }) };
}
