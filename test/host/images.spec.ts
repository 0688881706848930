import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authRegistry, testArchives, testImages, testRegistry } from './images.js';

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });

describe('the registries of the throw-away host', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwright-images-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const unpack = (reference: string): string => {
    const name = reference.replace(/.*\/(.*):1$/, '$1');
    run(
      'skopeo',
      'copy',
      '--quiet',
      '--src-tls-verify=false',
      `docker://${reference}`,
      `oci:${folder}/oci:${name}`,
    );
    run('umoci', 'unpack', '--image', `${folder}/oci:${name}`, join(folder, name));
    return join(folder, name, 'rootfs');
  };

  it('serves every image that tests know by name', async () => {
    const catalog = (await (await fetch(`http://${testRegistry}/v2/_catalog`)).json()) as {
      repositories: string[];
    };
    const known = Object.values(testImages).map((reference) => reference.slice(testRegistry.length + 1, -2));
    expect(catalog.repositories).toEqual(expect.arrayContaining(known));
  });

  it('unpacks to busybox with hard links, whiteouts, an opaque directory and a changed type applied', () => {
    const root = unpack(testImages.layers);
    // A mount over one command must hide only that one: hard links, not symbolic ones.
    expect(lstatSync(join(root, 'bin/sh')).ino).toBe(lstatSync(join(root, 'bin/busybox')).ino);
    expect(run('chroot', root, '/bin/cat', '/etc/passwd')).toContain('root:x:0:0:');
    expect(
      run('chroot', root, '/bin/find', '/data', '/opaque', '/turned', '-type', 'f').trim().split('\n').sort(),
    ).toEqual(['/data/a', '/data/c', '/opaque/new', '/turned']);
    expect(readFileSync(join(root, 'data/a'), 'utf8')).toBe('a of layer 2\n');
  });

  it('keeps every byte of environment values', () => {
    const config = JSON.parse(
      run('skopeo', 'inspect', '--config', '--tls-verify=false', `docker://${testImages.env}`),
    ) as { config: { Env: string[] } };
    expect(config.config.Env).toContain('LINES=one\ntwo');
    expect(config.config.Env).toContain('UNICODE=grüße 🐳');
  });

  it('asks for the password on the second registry', () => {
    const credentials = `${authRegistry.username}:${authRegistry.password}`;
    const inspect = (...options: string[]) =>
      run('skopeo', 'inspect', '--tls-verify=false', ...options, `docker://${authRegistry.busybox}`);
    expect(inspect('--creds', credentials)).toContain('"Digest"');
    expect(() => inspect('--creds', 'podwright:wrong')).toThrow(/unauthorized/);
    expect(() => inspect('--no-creds')).toThrow(/unauthorized/);
  });

  it('has the archives to load', () => {
    expect(run('skopeo', 'inspect', '--raw', `oci-archive:${testArchives.oci}`)).toContain('schemaVersion');
    expect(
      run('skopeo', 'inspect', `docker-archive:${testArchives.docker}:${testArchives.reference}`),
    ).toContain('"Layers"');
  });
});
