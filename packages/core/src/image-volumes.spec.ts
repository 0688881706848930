import { expect, it } from 'vitest';
import { anonymousVolumes, declaredVolumes } from './image-volumes.js';

const config = {
  Volumes: {
    '/var/lib/data/': {},
    '/var/lib/data': {},
    'relative/path': {},
    '/': {},
    '/../..': {},
    '/a/../b': {},
  },
};

it('names each declared volume once, as an absolute path', () => {
  expect(declaredVolumes(config)).toEqual(['/b', '/relative/path', '/var/lib/data']);
  expect(declaredVolumes({ Volumes: null })).toEqual([]);
  expect(declaredVolumes(undefined)).toEqual([]);
});

it('leaves out what the container mounts itself, but not what is mounted below or above', () => {
  const mounts = ['/var/lib/data/', '/b/c', '/relative'].map((containerPath) => ({ containerPath }));
  expect(anonymousVolumes(config, mounts)).toEqual(['/b', '/relative/path']);
});
