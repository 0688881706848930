// Annotations of a pod that its network is made by.

/**
 * Further networks of a pod: names with commas between them, `[namespace/]name[@interface]`, or a JSON list. Source:
 * Kubernetes Network Custom Resource Definition De-facto Standard 1.3, section 4.1.
 */
export const NETWORKS_ANNOTATION = 'k8s.v1.cni.cncf.io/networks';
/** How fast a pod may receive, in bits per second, as a quantity. */
export const INGRESS_BANDWIDTH_ANNOTATION = 'kubernetes.io/ingress-bandwidth';
/** How fast a pod may send, in bits per second, as a quantity. */
export const EGRESS_BANDWIDTH_ANNOTATION = 'kubernetes.io/egress-bandwidth';

export const NETWORK_ANNOTATIONS = [
  NETWORKS_ANNOTATION,
  INGRESS_BANDWIDTH_ANNOTATION,
  EGRESS_BANDWIDTH_ANNOTATION,
] as const;
