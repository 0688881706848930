import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testArchives, testImages, testRegistry } from '../host/images.js';
import { imagesTestBed } from './images-test-bed.js';

const { at, cleanups, failure, imageOf, start } = imagesTestBed();

const SIGNED = `${testRegistry}/podwright/signed:1`;

/** A key pair of a directory of its own. @returns the public key's file, and a way to run programs with it */
function makeKey(name: string) {
  const home = at(name);
  mkdirSync(home, { mode: 0o700 });
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, {
      env: { ...process.env, GNUPGHOME: home },
      encoding: 'utf8',
      stdio: 'pipe',
    });
  const mail = `${name}@podwright.test`;
  run('gpg', ...['--batch', '--passphrase', '', '--quick-generate-key', mail, 'default', 'default', 'never']);
  cleanups.push(() => {
    run('gpgconf', '--kill', 'all');
  });
  run('gpg', '--batch', '--export', '--output', `${home}.gpg`, mail);
  return { publicKey: `${home}.gpg`, mail, run };
}

/** Tells the host where the signatures of the test's registry lie. */
function placeSignatures() {
  const path = '/etc/containers/registries.d/podwright-test.yaml';
  const signatures = at('signatures');
  mkdirSync('/etc/containers/registries.d', { recursive: true });
  expect(existsSync(path)).toBe(false);
  cleanups.push(() => rmSync(path));
  const [reading, writing] = [`sigstore: file://${signatures}`, `sigstore-staging: file://${signatures}`];
  writeFileSync(path, `docker:\n  ${testRegistry}:\n    ${reading}\n    ${writing}\n`);
}

const LAYOUT = '/run/podwright-test/layout';
const ACCEPT = [{ type: 'insecureAcceptAnything' }];
const REJECT = [{ type: 'reject' }];

const signedBy = (keyPath: string) =>
  JSON.stringify({
    default: [{ type: 'insecureAcceptAnything' }],
    transports: { docker: { [testRegistry]: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath }] } },
  });

describe('a signature policy', () => {
  it('takes the image that is signed by its key, and no other', async () => {
    placeSignatures();
    const ours = makeKey('ours');
    const theirs = makeKey('theirs');
    const copy = [
      'copy',
      '--quiet',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      '--sign-by',
      ours.mail,
    ];
    ours.run('skopeo', ...copy, `docker://${testImages.busybox}`, `docker://${SIGNED}`);

    writeFileSync(at('policy.json'), signedBy(ours.publicKey));
    const { pull, images } = await start({ policyPath: at('policy.json') });
    expect(imageOf(await pull(SIGNED)).repoTags).toEqual([SIGNED]);
    const unsigned = await failure(pull(testImages.web));
    expect(unsigned).toMatchObject({ kind: 'signature-rejected' });
    expect(unsigned.message).toContain('policy.json');
    expect(await images.listImages()).toHaveLength(1);

    writeFileSync(at('other.json'), signedBy(theirs.publicKey));
    const strict = await start({ policyPath: at('other.json') });
    expect(await failure(strict.pull(SIGNED))).toMatchObject({ kind: 'signature-rejected' });
  });

  it('that rejects everything holds for pulls and archives alike', async () => {
    writeFileSync(at('policy.json'), '{"default":[{"type":"reject"}]}');
    const { pull, images } = await start({ policyPath: at('policy.json') });
    for (const work of [
      () => pull(testImages.busybox),
      () => images.loadImage(testArchives.oci),
      () => images.loadImage(testArchives.docker),
    ]) {
      expect(await failure(work())).toMatchObject({ kind: 'signature-rejected' });
    }
    expect(await images.listImages()).toEqual([]);
  });

  it.each<[string, object, string, boolean]>([
    ['refuses OCI archives', { 'oci-archive': { '': REJECT } }, testArchives.oci, false],
    ['refuses the directory of an archive', { 'oci-archive': { '/run': REJECT } }, testArchives.oci, false],
    ['refuses layouts', { oci: { '': REJECT } }, testArchives.oci, true],
    ['refuses OCI archives', { 'oci-archive': { '': REJECT } }, LAYOUT, true],
    ['refuses a layout by its path', { oci: { [LAYOUT]: REJECT } }, LAYOUT, false],
    ['refuses docker archives', { 'docker-archive': { '': REJECT } }, testArchives.docker, false],
    ['refuses OCI archives', { 'oci-archive': { '': REJECT } }, testArchives.docker, true],
  ])('that %s (%j) is asked when %s is loaded', async (_what, transports, path, taken) => {
    writeFileSync(at('policy.json'), JSON.stringify({ default: ACCEPT, transports }));
    const { images } = await start({ policyPath: at('policy.json') });
    const loading = images.loadImage(path);
    if (taken) expect(await loading).not.toEqual([]);
    else expect(await failure(loading)).toMatchObject({ kind: 'signature-rejected' });
    expect(await images.listImages()).toHaveLength(taken ? (await loading).length : 0);
  });

  it('that takes one archive takes no other', async () => {
    const transports = { 'oci-archive': { [testArchives.oci]: ACCEPT } };
    writeFileSync(at('policy.json'), JSON.stringify({ default: REJECT, transports }));
    const { images } = await start({ policyPath: at('policy.json') });
    copyFileSync(testArchives.oci, at('other.tar'));
    expect(await failure(images.loadImage(at('other.tar')))).toMatchObject({ kind: 'signature-rejected' });
    expect(await images.loadImage(testArchives.oci)).toHaveLength(1);
  });

  it('that is no policy is told apart from one that rejects', async () => {
    writeFileSync(at('policy.json'), '{"default": 1}');
    const { pull } = await start({ policyPath: at('policy.json') });
    expect(await failure(pull(testImages.busybox))).toMatchObject({ kind: 'failed-precondition' });
  });
});
