import { describe, expect, it } from 'vitest';
import { packArguments } from '../copy/copy-to-pod.js';
import { parseCopyPath, planCopy, splitPodPath } from './copy-path.js';
import { collectKeyValue } from './key-value.js';
import { parseCount, parseLimit, parsePort, parseSeconds, parseTail } from './parse-numbers.js';
import { parseDuration, parseMoment } from './parse-time.js';
import { parsePodRef } from './pod-ref.js';
import { parsePortPair } from './port-pair.js';
import { looksLikeFile, podOfFlags } from './run-image.js';

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['500ms', 500],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['5', 5000],
    ['0.5', 500],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '-5', '-5m', 'm', '1w', '5 m', '1h-3m'])('%j is none', (text) =>
    expect(() => parseDuration(text)).toThrow(/time span/),
  );
});

describe('parseMoment', () => {
  const now = Date.parse('2026-02-01T00:00:00Z');
  it.each([
    ['10m', now - 600_000],
    ['2026-01-31T12:00:00Z', Date.parse('2026-01-31T12:00:00Z')],
    ['2026-01-31 12:00:00.25+02:00', Date.parse('2026-01-31T10:00:00.25Z')],
  ])('%s', (text, ms) => expect(parseMoment(text, now)).toBe(ms));

  it.each(['yesterday', '5', '2026-01-31', '2026-13-31T12:00:00Z'])('%s is none', (text) =>
    expect(() => parseMoment(text, now)).toThrow(/moment/),
  );
});

describe('numbers', () => {
  it('takes what is one', () => {
    expect([parseCount('0'), parseLimit('-1'), parseSeconds('0.5'), parsePort('65535')]).toEqual([
      0, -1, 0.5, 65535,
    ]);
    expect(parseSeconds('1m')).toBe(60);
    expect([parseTail('all'), parseTail('-1'), parseTail('7')]).toEqual(['all', 'all', 7]);
  });

  it.each([
    () => parseCount('-1'),
    () => parseCount('1e3'),
    () => parseLimit('x'),
    () => parseSeconds('-1'),
    () => parsePort('0'),
    () => parsePort('65536'),
    () => parseTail('few'),
  ])('refuses what is none: %s', (parse) => expect(parse).toThrow());
});

describe('parsePodRef', () => {
  it.each([
    ['web', undefined, { name: 'web' }],
    ['web', 'shop', { name: 'web', namespace: 'shop' }],
    ['shop/web', undefined, { name: 'web', namespace: 'shop' }],
    ['shop/web', 'shop', { name: 'web', namespace: 'shop' }],
    ['uid:my-uid', undefined, { uid: 'my-uid' }],
    ['7F1a5a30-0d0c-4c56-9d3e-6b6f2f9b4d10', undefined, { uid: '7F1a5a30-0d0c-4c56-9d3e-6b6f2f9b4d10' }],
  ])('%s (namespace %s)', (text, namespace, ref) => expect(parsePodRef(text, namespace)).toEqual(ref));

  it.each(['', '/', 'a/', '/a', 'a/b/c'])('%j names none', (text) =>
    expect(() => parsePodRef(text)).toThrow(/NAMESPACE\/NAME/),
  );
});

describe('parsePortPair', () => {
  it.each([
    ['80', { local: 80, remote: 80 }],
    ['8080:80', { local: 8080, remote: 80 }],
    [':80', { local: 0, remote: 80 }],
  ])('%s', (text, pair) => expect(parsePortPair(text)).toEqual(pair));

  it.each(['', ':', '80:', 'a:b', '80:80:80'])('%j is none', (text) =>
    expect(() => parsePortPair(text)).toThrow(),
  );
});

describe('collectKeyValue', () => {
  it('collects, and keeps equals signs and empty values', () => {
    expect(collectKeyValue('b=', collectKeyValue('a=1=2'))).toEqual({ a: '1=2', b: '' });
    expect(() => collectKeyValue('=1')).toThrow('KEY=VALUE');
    expect(() => collectKeyValue('a')).toThrow('KEY=VALUE');
  });
});

describe('parseCopyPath', () => {
  it.each([
    ['web:/etc', 'pod', '/etc'],
    ['shop/web:/etc/a:b', 'pod', '/etc/a:b'],
    ['uid:my-uid:/etc', 'pod', '/etc'],
    ['web:rel', 'pod', 'rel'],
    ['./a:b', 'local', './a:b'],
    ['/abs:b', 'local', '/abs:b'],
    ['../x', 'local', '../x'],
    ['a/b/c:d', 'local', 'a/b/c:d'],
    ['.', 'local', '.'],
  ])('%s', (text, side, path) => expect(parseCopyPath(text, {})).toMatchObject({ side, path }));

  it('needs one side here and one in a pod', () => {
    expect(planCopy('a', 'shop/web:/b', { container: 'c' })).toEqual({
      direction: 'to-pod',
      local: 'a',
      path: '/b',
      container: { namespace: 'shop', name: 'web', container: 'c' },
    });
    expect(planCopy('web:/b', 'a', {})).toMatchObject({ direction: 'from-pod', local: 'a', path: '/b' });
    expect(() => planCopy('a', 'b', {})).toThrow('POD:PATH');
    expect(() => planCopy('x:/a', 'y:/b', {})).toThrow('POD:PATH');
    expect(() => planCopy('x:', 'b', {})).toThrow('names no path');
    expect(() => planCopy('web:/b', '-', {})).toThrow('exec POD tar');
    expect(() => planCopy('-', 'web:/b', {})).toThrow('exec POD tar');
    expect(planCopy('web:/b', './-', {})).toMatchObject({ local: './-' });
  });

  it.each([
    ['/etc/passwd', { directory: '/etc', name: 'passwd' }],
    ['/etc//ssl/', { directory: '/etc', name: 'ssl' }],
    ['/../../etc/passwd', { directory: '/etc', name: 'passwd' }],
    ['rel', { directory: '.', name: 'rel' }],
    ['-x', { directory: '.', name: '-x' }],
  ])('splits %s', (path, parts) => expect(splitPodPath(path)).toEqual(parts));

  it.each(['/', '.', '..', 'a/../..', './'])('%s has no name at its end', (path) =>
    expect(() => splitPodPath(path)).toThrow('name'),
  );
});

describe('packArguments', () => {
  it('gives the copy its name, whatever characters that has', () => {
    expect(packArguments('/a/dir', true, 'x&y,z\\')).toContain('--transform=s,^\\.,x\\&y\\,z\\\\,S');
    expect(packArguments('/a/-f', false, 'b').slice(-2)).toEqual(['--', './-f']);
  });
});

describe('run IMAGE', () => {
  it.each([
    ['-', true],
    ['pod.yaml', true],
    ['x.YML', true],
    ['a.json', true],
    ['./x', true],
    ['/x', true],
    ['busybox', false],
    ['host:5000/a/b:1.0', false],
  ])('%s is a file: %s', (text, is) => expect(looksLikeFile(text)).toBe(is));

  it('makes a manifest of flags', () => {
    const pod = podOfFlags('host:5000/my.App_x/web.srv:1'.toLowerCase(), ['a'], {
      publish: ['8080:80', '127.0.0.1:53:5353/udp', '[::1]:1:2'],
      volume: ['/src:/dst:ro', '/a:/b'],
      network: 'host',
    });
    expect(pod).toMatchObject({
      metadata: { name: 'web-srv' },
      spec: {
        hostNetwork: true,
        containers: [
          {
            args: ['a'],
            ports: [
              { hostPort: 8080, containerPort: 80, protocol: 'TCP' },
              { hostPort: 53, containerPort: 5353, protocol: 'UDP', hostIP: '127.0.0.1' },
              { hostPort: 1, containerPort: 2, hostIP: '::1' },
            ],
            volumeMounts: [
              { name: 'volume-0', mountPath: '/dst', readOnly: true },
              { name: 'volume-1', mountPath: '/b', readOnly: false },
            ],
          },
        ],
        volumes: [
          { name: 'volume-0', hostPath: { path: '/src' } },
          { name: 'volume-1', hostPath: { path: '/a' } },
        ],
      },
    });
  });
});
