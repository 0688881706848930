import { describe, expect, it } from 'vitest';
import { PodwrightError } from './errors.js';
import { formatImageReference, normalizeImageReference, parseImageReference } from './image-reference.js';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;

describe('normalizeImageReference', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['library/busybox', 'docker.io/library/busybox:latest'],
    ['user/app', 'docker.io/user/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox:1', 'docker.io/library/busybox:1'],
    ['docker.io/user/app:v1', 'docker.io/user/app:v1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/a/b/c:tag', '127.0.0.1:5000/a/b/c:tag'],
    ['[::1]:5000/app:2', '[::1]:5000/app:2'],
    ['registry.example/app', 'registry.example/app:latest'],
    ['host:5000/app', 'host:5000/app:latest'],
    ['HOST/app', 'HOST/app:latest'],
    ['quay.io/a__b/c---d.e:T_1', 'quay.io/a__b/c---d.e:T_1'],
    [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
    [`busybox:1.36@${DIGEST}`, `docker.io/library/busybox:1.36@${DIGEST}`],
    [`localhost:5000/app@${DIGEST}`, `localhost:5000/app@${DIGEST}`],
    ['a'.repeat(200), `docker.io/library/${'a'.repeat(200)}:latest`],
  ])('%s is %s', (text, full) => {
    expect(normalizeImageReference(text)).toBe(full);
    expect(normalizeImageReference(full)).toBe(full);
  });

  it.each([
    ['', 'empty'],
    [HEX, 'image id'],
    ['Busybox', 'capital letters'],
    ['user/App', 'capital letters'],
    ['busy box', 'no name'],
    ['busybox:', 'no tag'],
    ['busybox:.1', 'no tag'],
    [`busybox:${'a'.repeat(129)}`, 'no tag'],
    ['a//b', 'no name'],
    ['/busybox', 'no name'],
    ['busybox/', 'no name'],
    ['-busybox', 'no name'],
    ['a___b', 'no name'],
    ['a..b', 'no name'],
    ['docker.io/', 'no name'],
    ['http://host/app', 'no registry'],
    ['ho_st.x/app', 'no registry'],
    ['host:port/app', 'no registry'],
    ['busybox@', 'no digest'],
    ['busybox@sha256:abc', 'no digest'],
    [`busybox@sha256:${'A'.repeat(64)}`, 'no digest'],
    [`busybox@${DIGEST}@${DIGEST}`, 'no digest'],
    [`host.example/${'a'.repeat(250)}`, 'longer than 255'],
    ['busybox\n', 'no name'],
  ])('refuses %j: %s', (text, why) => {
    let thrown: unknown;
    try {
      parseImageReference(text);
    } catch (error) {
      thrown = error;
    }
    expect(PodwrightError.is(thrown, 'invalid-argument')).toBe(true);
    expect((thrown as Error).message).toContain(why);
  });
});

describe('parseImageReference', () => {
  it('fills in a tag only where there is no digest', () => {
    expect(parseImageReference('busybox')).toEqual({
      registry: 'docker.io',
      repository: 'library/busybox',
      tag: 'latest',
    });
    expect(parseImageReference(`host:5000/app@${DIGEST}`)).toEqual({
      registry: 'host:5000',
      repository: 'app',
      digest: DIGEST,
    });
    expect(parseImageReference(`host:5000/app:1@${DIGEST}`)).toEqual({
      registry: 'host:5000',
      repository: 'app',
      tag: '1',
      digest: DIGEST,
    });
  });

  it('is undone by formatImageReference', () => {
    const reference = { registry: 'host:5000', repository: 'a/b', tag: 't', digest: DIGEST };
    expect(parseImageReference(formatImageReference(reference))).toEqual(reference);
  });
});
