import { describe, expect, it } from 'vitest';
import { checkImagesOptions, type ImagesOptions } from './images-options.js';
import { copyArgs, inspectArgs } from './skopeo.js';

describe('checkImagesOptions', () => {
  it.each<[Partial<ImagesOptions>, RegExp]>([
    [{ runDir: 'run' }, /runDir is "run".*absolute/],
    [{ policyPath: 'p.json' }, /policyPath/],
    [{ storeRoot: '/a' }, /storeRoot and storeRunRoot go together/],
    [{ storeRunRoot: '/a' }, /storeRoot and storeRunRoot go together/],
    [{ storeRoot: '/a:b', storeRunRoot: '/r' }, /storeRoot is "\/a:b"/],
    [{ tmpDir: '/a:b' }, /tmpDir/],
    [{ policyPath: '/p', insecurePolicy: true }, /contradict/],
    [{ insecureRegistries: ['http://x'] }, /"http:\/\/x" in insecureRegistries/],
  ])('%j is refused', (options, message) => {
    expect(() => checkImagesOptions({ runDir: '/run/x', ...options })).toThrow(message);
  });

  it('takes the least', () => {
    expect(checkImagesOptions({ runDir: '/run/x' })).toEqual({ runDir: '/run/x' });
  });
});

describe("skopeo's arguments", () => {
  const source = { name: 'docker://h:5000/x:1', registry: 'h:5000' };
  it.each<[string, Partial<ImagesOptions>, object, string[], string[]]>([
    ['by default', {}, {}, [], []],
    ['another insecure registry', { insecureRegistries: ['h', '127.0.0.1:5000'] }, {}, [], []],
    [
      'this insecure registry',
      { insecureRegistries: ['h:5000'] },
      {},
      ['--tls-verify=false'],
      ['--src-tls-verify=false'],
    ],
    ['an auth file', {}, { authFile: '/a' }, ['--authfile', '/a'], ['--src-authfile', '/a']],
  ])('%s', (_, options, more, inspect, copy) => {
    const all = { runDir: '/run/x', ...options };
    expect(inspectArgs({ ...source, ...more }, all)).toEqual(['inspect', '--raw', ...inspect, source.name]);
    expect(copyArgs({ ...source, ...more }, 'containers-storage:y', '/t', all)).toEqual([
      ...['--tmpdir', '/t', 'copy', ...copy, source.name, 'containers-storage:y'],
    ]);
  });

  it.each([
    ['127.0.0.1:5000', true],
    ['127.1.2.3', true],
    ['localhost:5000', true],
    ['localhost', true],
    ['[::1]:5000', true],
    ['127.0.0.1.example.com', false],
    ['localhost.example.com:5000', false],
    ['10.0.0.1:5000', false],
  ])('for %s on loopback or not', (registry, isLoopback) => {
    const named = { name: `docker://${registry}/x:1`, registry };
    const insecure = inspectArgs(named, { runDir: '/run/x', insecureLoopback: true });
    expect(insecure.includes('--tls-verify=false')).toBe(isLoopback);
    expect(inspectArgs(named, { runDir: '/run/x' })).not.toContain('--tls-verify=false');
  });

  it.each<[Partial<ImagesOptions>, string[]]>([
    [{ policyPath: '/p' }, ['--tmpdir', '/t', '--policy', '/p']],
    [{ insecurePolicy: true }, ['--tmpdir', '/t', '--insecure-policy']],
    [{ registriesConf: '/r' }, ['--registries-conf', '/r', '--tmpdir', '/t']],
  ])('%j', (options, first) => {
    const args = copyArgs(source, 'd', '/t', { runDir: '/run/x', ...options });
    expect(args.slice(0, args.indexOf('copy'))).toEqual(first);
  });
});
