import { describe, expect, it } from 'vitest';
import { manifestFields } from './known-fields.js';

describe('manifestFields', () => {
  const fields = manifestFields();
  const byPath = new Map(fields.map((field) => [field.path, field]));

  it.each([
    'kind',
    'metadata.labels',
    'spec.initContainers.restartPolicy',
    'spec.containers.terminationMessagePath',
    'spec.containers.livenessProbe.terminationGracePeriodSeconds',
    'spec.containers.readinessProbe.httpGet.httpHeaders.name',
    'spec.containers.env.valueFrom.secretKeyRef.optional',
    'spec.containers.resources.limits.hugepages-2Mi',
    'spec.volumes.image.pullPolicy',
    'spec.volumes.projected.sources.downwardAPI.items.mode',
    'spec.automountServiceAccountToken',
  ])('has %s as supported', (path) => {
    expect(byPath.get(path)).toEqual({ path, supported: true });
  });

  it.each([
    'status',
    'spec.nodeName',
    'spec.containers.restartPolicy',
    'spec.volumes.persistentVolumeClaim',
    'spec.volumes.projected.sources.serviceAccountToken',
    'spec.initContainers.lifecycle.preStop.tcpSocket',
  ])('has %s as refused', (path) => {
    expect(byPath.get(path)).toMatchObject({ supported: false });
  });

  it('says of everything that is refused what to do, and nothing twice', () => {
    const refused = fields.filter(({ supported }) => !supported);
    expect(refused.filter(({ advice = '' }) => advice.length < 10)).toEqual([]);
    expect(byPath.size).toBe(fields.length);
  });

  it('refuses fields only of objects that there are', () => {
    const objects = new Set(fields.filter(({ supported }) => supported).map(({ path }) => path));
    const parents = fields
      .filter(({ supported, path }) => !supported && path.includes('.'))
      .map(({ path }) => path.slice(0, path.lastIndexOf('.')));
    expect(parents.filter((path) => !objects.has(path))).toEqual([]);
  });
});
