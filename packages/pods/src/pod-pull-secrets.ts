import { type ConfigObject, type Pod, type PullSecret, pullSecretOf } from '@podwright/core';

/**
 * The pull secrets that a pod names, out of the objects that it was given.
 * @returns `missing`: names of those that are not among them; the kubelet pulls without them, and warns
 * @throws PodwrightError kind `invalid-argument` when one is there and is no pull secret
 */
export function podPullSecrets(
  { metadata, spec }: Pod,
  objects: readonly ConfigObject[],
): { readonly secrets: readonly PullSecret[]; readonly missing: readonly string[] } {
  const secrets: PullSecret[] = [];
  const missing: string[] = [];
  for (const { name } of spec.imagePullSecrets) {
    const found = objects.find(
      (object) =>
        object.kind === 'Secret' &&
        object.metadata.name === name &&
        object.metadata.namespace === metadata.namespace,
    );
    if (found) secrets.push(pullSecretOf(found));
    else missing.push(name);
  }
  return { secrets, missing };
}
