import { describe, expect, it } from 'vitest';
import type { PodSandboxConfig } from '../sandbox-types.js';
import { sandboxHash } from './pod-actions-hash.js';

const config: PodSandboxConfig = {
  metadata: { name: 'p', namespace: 'n', uid: 'u', attempt: 0 },
  labels: { app: 'web' },
  annotations: {},
  hostname: 'p',
  network: 'pod',
  ipc: 'pod',
  pid: 'container',
  portMappings: [],
};
/** Of that sandbox, as the first version made it: sandboxes that run are not begun anew by an update. */
const PLAIN = '755ba2ac78306ee1';
const node: PodSandboxConfig = { ...config, network: 'node' };

const annotated = (annotations: Readonly<Record<string, string>>, of = config) =>
  sandboxHash({ ...of, annotations });

describe('sandboxHash', () => {
  it.each<[string, string]>([
    ['of a plain pod', sandboxHash(config)],
    ['with other labels and limits', sandboxHash({ ...config, labels: {}, resources: { pidsLimit: 1 } })],
    ['of another attempt', sandboxHash({ ...config, metadata: { ...config.metadata, attempt: 5 } })],
    ['with annotations of others', annotated({ 'example.com/note': 'x' })],
  ])('stays: %s', (_what, hash) => expect(hash).toBe(PLAIN));

  it.each<[string, string]>([
    ['the networks', annotated({ 'k8s.v1.cni.cncf.io/networks': 'storage' })],
    ['other networks', annotated({ 'k8s.v1.cni.cncf.io/networks': 'backup' })],
    ['what it may receive', annotated({ 'kubernetes.io/ingress-bandwidth': '10M' })],
    ['what it may send', annotated({ 'kubernetes.io/egress-bandwidth': '10M' })],
    ['its hostname', sandboxHash({ ...config, hostname: 'q' })],
  ])('is another by %s', (what, hash) => {
    expect(hash).not.toBe(PLAIN);
    if (what === 'other networks')
      expect(hash).not.toBe(annotated({ 'k8s.v1.cni.cncf.io/networks': 'storage' }));
  });

  it('knows no networks of a pod in that of the node', () => {
    expect(annotated({ 'kubernetes.io/egress-bandwidth': '10M' }, node)).toBe(sandboxHash(node));
  });
});
