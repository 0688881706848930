import { NETWORKS_ANNOTATION, PodwrightError, type StringMap } from '@podwright/core';
import { z } from 'zod';
import { isCniName } from '../cni/cni-config.js';

/** A network that a pod asks for beside its primary one. */
export interface SelectedNetwork {
  readonly name: string;
  readonly interface: string;
  /** Addresses with prefix length that it asks for; the network's plugins have to have the capability `ips`. */
  readonly ips?: readonly string[];
  /** Hardware address that it asks for; capability `mac`. */
  readonly mac?: string;
}

/** Longest name of an interface, less its end: IFNAMSIZ of the kernel. */
const interfaceName = z
  .string()
  .regex(/^[^\s/:]{1,15}$/, 'has to be an interface name of at most 15 characters')
  .refine((name) => name !== 'lo' && name !== 'eth0', 'is taken by the pod itself');
const networkName = z.string().refine(isCniName, 'has to be the name of a configured network');

const selectionSchema = z.strictObject({
  name: networkName,
  /** Configurations lie in a directory here: they have no namespaces, and every pod may use each. */
  namespace: z.string().exactOptional(),
  interface: interfaceName.exactOptional(),
  ips: z.array(z.string()).exactOptional(),
  mac: z.string().exactOptional(),
});

/**
 * Reads which networks a pod asks for.
 * @returns with a name for every interface: `net1`, `net2` and so on where none was asked for
 * @throws PodwrightError kind `invalid-argument` that names the entry
 */
export function selectedNetworks(annotations: StringMap): readonly SelectedNetwork[] {
  const text = annotations[NETWORKS_ANNOTATION]?.trim();
  if (text === undefined || text === '') return [];
  const parsed = z
    .array(selectionSchema)
    .safeParse(text.startsWith('[') ? parseJson(text) : parseNames(text));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`);
    throw refuse(problems.join('; '));
  }
  const selected = parsed.data.map(({ namespace: _, ...entry }, index) => ({
    ...entry,
    interface: entry.interface ?? `net${index + 1}`,
  }));
  const names = selected.map((entry) => entry.interface);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw refuse(`two networks have the interface ${twice}`);
  return selected;
}

function parseNames(text: string): readonly unknown[] {
  return text.split(',').map((part) => {
    const [, name, device] = /^\s*(?:[^/@\s]+\/)?([^/@\s]+)(?:@(\S+))?\s*$/.exec(part) ?? [];
    return { name: name ?? part, ...(device === undefined ? {} : { interface: device }) };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse('it begins as a JSON list and is none', error);
  }
}

function refuse(why: string, cause?: unknown): PodwrightError {
  return new PodwrightError(
    'invalid-argument',
    `The annotation ${NETWORKS_ANNOTATION} cannot be read: ${why}. Write names with commas between them, or a JSON ` +
      'list such as [{"name": "storage", "interface": "net1"}].',
    { cause, details: { annotation: NETWORKS_ANNOTATION } },
  );
}
