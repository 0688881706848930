/** When an image is pulled: `Always` asks the registry each time, `IfNotPresent` only without a copy, `Never` not at all. */
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

/** Kubernetes' default: `Always` for the tag `latest` or no tag at all, `IfNotPresent` for the rest and for digests. */
export function defaultPullPolicy(image: string): PullPolicy {
  if (image.includes('@')) return 'IfNotPresent';
  const lastPart = image.slice(image.lastIndexOf('/') + 1);
  const colon = lastPart.indexOf(':');
  return colon < 0 || lastPart.slice(colon + 1) === 'latest' ? 'Always' : 'IfNotPresent';
}
