import { describe, expect, it } from 'vitest';
import { imageUser, toImage } from './to-image.js';

describe('imageUser', () => {
  it.each([
    [undefined, { uid: 0 }],
    ['', { uid: 0 }],
    [':100', { uid: 0 }],
    ['0', { uid: 0 }],
    ['1000', { uid: 1000 }],
    ['1000:1001', { uid: 1000 }],
    ['app', { username: 'app' }],
    ['app:staff', { username: 'app' }],
    ['1000x', { username: '1000x' }],
  ])('%s → %j', (user, expected) => {
    expect(imageUser(user)).toEqual(expected);
  });
});

describe('toImage', () => {
  it('shows names, digests and sizes as podman does', () => {
    const record = {
      id: 'c5c1',
      digest: 'sha256:'.padEnd(71, 'a'),
      names: ['h:5000/x:1', 'h:5000/x:2', `docker.io/library/y@${'sha256:'.padEnd(71, 'b')}`, 'Not A Name'],
      'big-data-sizes': { manifest: 10, config: 5 },
    };
    const config = { created: '2024-01-01T00:00:00.123456789Z', config: { User: 'app', Labels: { a: 'b' } } };
    expect(toImage(record, config, [{ id: 'l', 'diff-size': 100 }, { id: 'empty' }])).toEqual({
      id: 'sha256:c5c1',
      repoTags: ['h:5000/x:1', 'h:5000/x:2'],
      repoDigests: [
        `h:5000/x@${'sha256:'.padEnd(71, 'a')}`,
        `docker.io/library/y@${'sha256:'.padEnd(71, 'b')}`,
        `docker.io/library/y@${'sha256:'.padEnd(71, 'a')}`,
      ],
      sizeBytes: 115,
      createdAtMs: Date.UTC(2024, 0, 1, 0, 0, 0, 123),
      username: 'app',
      labels: { a: 'b' },
    });
  });

  it('takes a bare configuration, and null where a Go program wrote it', () => {
    const record = { id: 'x', names: null };
    expect(toImage(record, { config: { Labels: null } }, [])).toEqual({
      ...{ id: 'sha256:x', repoTags: [], repoDigests: [], sizeBytes: 0 },
      ...{ uid: 0, labels: {} },
    });
  });
});
