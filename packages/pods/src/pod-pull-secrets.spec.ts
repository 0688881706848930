import { PodwrightError, parseConfigObject, parsePod } from '@podwright/core';
import { expect, it } from 'vitest';
import { imageWaitingReason } from './image-waiting-reason.js';
import { podPullSecrets } from './pod-pull-secrets.js';

const secret = (name: string, namespace: string) =>
  parseConfigObject({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    stringData: { '.dockerconfigjson': '{"auths": {}}' },
  });
const pod = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { imagePullSecrets: [{ name: 'one' }, { name: 'two' }], containers: [{ name: 'c', image: 'web:1' }] },
});

it('finds the pull secrets of a pod in its namespace, and names the missing ones', () => {
  expect(
    podPullSecrets(pod, [secret('two', 'other'), secret('one', 'shop'), secret('three', 'shop')]),
  ).toEqual({
    secrets: [{ type: 'kubernetes.io/dockerconfigjson', content: '{"auths": {}}', name: 'shop/one' }],
    missing: ['two'],
  });
});

it.each<[string, ConstructorParameters<typeof PodwrightError>[0], object]>([
  ['ImagePullBackOff', 'image-pull-back-off', {}],
  ['SignatureValidationFailed', 'signature-rejected', {}],
  ['RegistryUnavailable', 'unreachable', {}],
  ['InvalidImageName', 'invalid-argument', { value: 'Busybox' }],
  ['ErrImageNeverPull', 'image-not-found', { policy: 'Never' }],
  ['ErrImagePull', 'image-not-found', {}],
  ['ErrImagePull', 'unauthorized', {}],
])('says %s as the kubelet does', (reason, kind, details) => {
  expect(imageWaitingReason(new PodwrightError(kind, 'x', { details: { ...details } }))).toBe(reason);
});
