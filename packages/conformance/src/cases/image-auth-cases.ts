import assert from 'node:assert/strict';
import {
  type ConfigObject,
  type Pod,
  type PullSecret,
  parseConfigObject,
  parseImageReference,
  type RegistryAuth,
} from '@podwright/core';
import { filter, firstValueFrom, lastValueFrom } from 'rxjs';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';

const WRONG: RegistryAuth = { username: 'somebody', password: 'not-the-password' };

/** A pull secret with an entry for each key. */
function secretOf(
  entries: Readonly<Record<string, RegistryAuth>>,
  type: 'json' | 'plain' = 'json',
): PullSecret {
  const auths = Object.fromEntries(
    Object.entries(entries).map(([key, { username, password }]) => [
      key,
      { auth: Buffer.from(`${username}:${password}`).toString('base64') },
    ]),
  );
  return type === 'json'
    ? { type: 'kubernetes.io/dockerconfigjson', content: JSON.stringify({ auths }), name: 'default/regcred' }
    : { type: 'kubernetes.io/dockercfg', content: JSON.stringify(auths), name: 'default/regcred' };
}

/** The image that wants credentials, its registry and its path there. */
function locked(t: CaseContext) {
  const { reference, auth } = t.images.denied;
  const { registry, repository } = parseImageReference(reference);
  t.atEnd(`image ${reference}`, () => t.imageService.removeImage(reference));
  const pull = (...credentials: readonly PullSecret[]) =>
    t.soon(lastValueFrom(t.imageService.pullImage(reference, { credentials })), `pull of ${reference}`);
  return { reference, auth, registry, repository, pull };
}

export const imageAuthCases = section('pull-secrets', {
  json: {
    title: 'a pull takes its credentials from a pull secret of type dockerconfigjson',
    run: async (t) => {
      const { pull, registry, auth, reference } = locked(t);
      await pull(secretOf({ [registry]: auth }));
      assert.ok(await t.imageService.imageStatus(reference));
    },
  },
  plain: {
    title: 'a pull takes its credentials from a pull secret of type dockercfg, whose key is a URL',
    run: async (t) => {
      const { pull, registry, auth, reference } = locked(t);
      await pull(secretOf({ [`https://${registry}/v2/`]: auth }, 'plain'));
      assert.ok(await t.imageService.imageStatus(reference));
    },
  },
  path: {
    title:
      'of two entries the one with the longer path is taken first, and the other one when it does not do',
    run: async (t) => {
      const { pull, registry, repository, auth, reference } = locked(t);
      const [folder = ''] = repository.split('/');
      await pull(secretOf({ [registry]: WRONG, [`${registry}/${folder}`]: auth }));
      assert.ok(await t.imageService.imageStatus(reference));
      await t.imageService.removeImage(reference);
      await pull(secretOf({ [registry]: auth, [`${registry}/${folder}`]: WRONG }));
      assert.ok(await t.imageService.imageStatus(reference));
    },
  },
  several: {
    title: 'several pull secrets are tried one after the other',
    run: async (t) => {
      const { pull, registry, auth, reference } = locked(t);
      await pull(
        secretOf({ [registry]: WRONG }),
        secretOf({ 'other.example': WRONG }),
        secretOf({ [registry]: auth }),
      );
      assert.ok(await t.imageService.imageStatus(reference));
    },
  },
  elsewhere: {
    title: 'the credentials of another registry or path are of no use',
    run: async (t) => {
      const { pull, registry, repository, auth, reference } = locked(t);
      const keys = ['other.example', `${registry}/other`, `${registry}/${repository.slice(0, -1)}`];
      for (const key of keys) await t.rejects(pull(secretOf({ [key]: auth })), 'unauthorized');
      assert.equal(await t.imageService.imageStatus(reference), undefined);
    },
  },
  wrong: {
    title: 'a wrong pull secret is refused as unauthorized, and the error shows no password',
    run: async (t) => {
      const { pull, registry, reference } = locked(t);
      const error = await t.rejects(pull(secretOf({ [registry]: WRONG })), 'unauthorized');
      assert.ok(!JSON.stringify([error.message, error.details]).includes(WRONG.password));
      assert.equal(await t.imageService.imageStatus(reference), undefined);
    },
  },
  broken: {
    title: 'a pull secret that is none is an invalid argument, and the error names it without its content',
    run: async (t) => {
      const { pull, registry, auth } = locked(t);
      const broken: PullSecret = { ...secretOf({}), content: `{"auths": ${auth.password}` };
      const error = await t.rejects(pull(broken), 'invalid-argument');
      assert.ok(error.message.includes('default/regcred'));
      assert.ok(!String(error.message).includes(auth.password));
      const encoded = Buffer.from('no-colon').toString('base64');
      const content = JSON.stringify({ [registry]: { auth: encoded } });
      await t.rejects(pull({ type: 'kubernetes.io/dockercfg', content }), 'invalid-argument');
    },
  },
  'auth-first': {
    title: 'credentials of the pull itself are the only ones that count',
    run: async (t) => {
      const { reference, registry, auth } = locked(t);
      const credentials = [secretOf({ [registry]: auth })];
      const pull = (own: RegistryAuth) =>
        lastValueFrom(t.imageService.pullImage(reference, { auth: own, credentials }));
      await t.rejects(pull(WRONG), 'unauthorized');
      await pull(auth);
      assert.ok(await t.imageService.imageStatus(reference));
    },
  },
  'auth-file-path': {
    title: 'an auth file may have credentials for a path of a registry; it comes after the pull secrets',
    run: async (t) => {
      const { reference, registry, repository, auth } = locked(t);
      const path = `${await t.host.makeDirectory()}/auth.json`;
      await t.host.writeFile(path, secretOf({ [`${registry}/${repository}`]: auth }).content);
      const credentials = [secretOf({ [registry]: WRONG })];
      const options = { authFile: path, credentials };
      await t.soon(lastValueFrom(t.imageService.pullImage(reference, options)), 'the pull');
      assert.ok(await t.imageService.imageStatus(reference));
      await t.rejects(
        lastValueFrom(t.imageService.pullImage(reference, { authFile: `${path}.absent` })),
        'invalid-argument',
      );
    },
  },
  pod: {
    title: 'a pod is pulled with the pull secrets that it names and was given',
    run: async (t) => {
      const { reference, auth, registry } = locked(t);
      const pod = lockedPod(t, reference, 'regcred');
      const objects = [
        pullSecretObject(t, 'other', { [registry]: WRONG }),
        pullSecretObject(t, 'regcred', { [registry]: auth }),
      ];
      await t.runtime.runPod(pod, { objects });
      await t.podEnded(pod.metadata.uid);
    },
  },
  'pod-missing': {
    title: 'a pod that was not given its pull secret is pulled without it, with a warning',
    run: async (t) => {
      const { reference, auth, registry } = locked(t);
      const pod = lockedPod(t, reference, 'regcred');
      const warned = firstValueFrom(
        t.runtime.events.pipe(
          filter(({ object, reason }) => {
            return object.uid === pod.metadata.uid && reason === 'FailedToRetrieveImagePullSecret';
          }),
        ),
      );
      const objects = [pullSecretObject(t, 'other', { [registry]: auth })];
      const error = await t.rejects(t.runtime.runPod(pod, { objects }), 'unauthorized');
      assert.equal(error.details['reason'], 'ErrImagePull');
      assert.ok((await t.soon(warned, 'the warning')).message.includes('regcred'));
    },
  },
});

/** A pod of the image that wants credentials, removed at the end of the case. */
function lockedPod(t: CaseContext, image: string, secret: string): Pod {
  const spec = { hostNetwork: true, imagePullSecrets: [{ name: secret }] };
  const pod = t.pod([{ image, command: ['true'] }], spec);
  t.atEnd(`pod ${pod.metadata.name}`, () => t.runtime.removePod({ uid: pod.metadata.uid }, { graceMs: 0 }));
  return pod;
}

function pullSecretObject(
  t: CaseContext,
  name: string,
  entries: Readonly<Record<string, RegistryAuth>>,
): ConfigObject {
  return parseConfigObject({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/dockerconfigjson',
    metadata: { name, namespace: t.namespace },
    stringData: { '.dockerconfigjson': secretOf(entries).content },
  });
}
