import assert from 'node:assert/strict';
import { normalizeImageReference, parseImageReference } from '@podwright/core';
import { lastValueFrom, toArray } from 'rxjs';
import { section } from '../conformance-case.js';
import { exitWith } from '../workloads.js';

export const imageCases = section('images', {
  pull: {
    title: 'a pull tells what it does and ends with the image, which is in the store then',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      assert.equal(await t.imageService.imageStatus(t.images.spare), undefined);
      const events = await t.soon(
        lastValueFrom(t.imageService.pullImage(t.images.spare).pipe(toArray())),
        'the pull',
      );
      assert.equal(events[0]?.type, 'resolving');
      assert.equal(events.filter(({ type }) => type === 'done').length, 1);
      const last = events.at(-1);
      assert.ok(last?.type === 'done', 'the last event is done');
      assert.match(last.image.id, /^sha256:[a-f0-9]{64}$/);
      assert.ok(last.image.sizeBytes > 0);
      assert.ok(last.image.repoTags.includes(normalizeImageReference(t.images.spare)));
      assert.equal((await t.imageService.imageStatus(t.images.spare))?.id, last.image.id);
    },
  },
  cold: {
    title: 'a pull begins when it is subscribed to, not before',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      t.imageService.pullImage(t.images.spare);
      assert.equal(await t.imageService.imageStatus(t.images.spare), undefined);
    },
  },
  'pull-again': {
    title: 'pulling what is there gives the same image and no second one',
    run: async (t) => {
      const first = await t.pull(t.images.spare);
      const second = await t.pull(t.images.spare);
      assert.equal(second.id, first.id);
      const all = await t.imageService.listImages();
      assert.equal(all.filter(({ id }) => id === first.id).length, 1);
    },
  },
  'by-digest': {
    title: 'an image can be pulled and found by its digest, and found by its id',
    run: async (t) => {
      const tagged = await t.pull(t.images.spare);
      const digest = tagged.repoDigests[0] ?? assert.fail('a pulled image has a name with a digest');
      assert.equal((await t.imageService.imageStatus(digest))?.id, tagged.id);
      assert.equal((await t.imageService.imageStatus(tagged.id))?.id, tagged.id);
      await t.imageService.removeImage(tagged.id);
      assert.equal((await t.pull(digest)).id, tagged.id);
      assert.equal((await t.imageService.imageStatus(digest))?.id, tagged.id);
      await t.imageService.removeImage(tagged.id);
    },
  },
  'unknown-name': {
    title: 'the status of an image that is not there is undefined, of no reference an error',
    run: async (t) => {
      assert.equal(await t.imageService.imageStatus(t.images.absent), undefined);
      await t.rejects(t.imageService.imageStatus('Not a Reference'), 'invalid-argument');
    },
  },
  config: {
    title: 'an image tells how it is to be run, and one that is not there tells nothing',
    run: async (t) => {
      const { imageService: service } = t;
      // A backend may leave it out.
      if (service.imageConfig === undefined) return;
      await t.pull(t.images.spare);
      const config = await service.imageConfig(t.images.spare);
      assert.ok(config?.config, 'the configuration of an image that is there');
      assert.equal(await service.imageConfig(t.images.absent), undefined);
    },
  },
  'errors-apart': {
    title: 'not found, registry unreachable, unauthorized and bad reference are told apart',
    run: async (t) => {
      const { absent, unreachable, denied } = t.images;
      const before = await t.imageService.listImages();
      const pull = (...args: Parameters<typeof t.imageService.pullImage>) =>
        lastValueFrom(t.imageService.pullImage(...args));
      const notFound = await t.rejects(pull(absent), 'image-not-found');
      assert.ok(
        notFound.message.includes(parseImageReference(absent).repository),
        'the message names the image',
      );
      await t.rejects(pull(unreachable), 'unreachable');
      await t.rejects(pull(denied.reference), 'unauthorized');
      await t.rejects(
        pull(denied.reference, { auth: { ...denied.auth, password: 'wrong' } }),
        'unauthorized',
      );
      await t.rejects(pull('UPPER CASE'), 'invalid-argument');
      assert.deepEqual(await t.imageService.listImages(), before, 'a failed pull leaves nothing behind');
    },
  },
  credentials: {
    title: 'a pull with the right credentials succeeds, and they are of that pull only',
    run: async (t) => {
      const { reference, auth } = t.images.denied;
      await lastValueFrom(t.imageService.pullImage(reference, { auth }));
      assert.ok(await t.imageService.imageStatus(reference));
      await t.imageService.removeImage(reference);
      await t.rejects(lastValueFrom(t.imageService.pullImage(reference)), 'unauthorized');
    },
  },
  'auth-file': {
    title: 'a pull takes its credentials from a file of its own',
    run: async (t) => {
      const { reference, auth } = t.images.denied;
      const path = `${await t.host.makeDirectory()}/auth.json`;
      const encoded = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
      const auths = { [parseImageReference(reference).registry]: { auth: encoded } };
      await t.host.writeFile(path, JSON.stringify({ auths }));
      await lastValueFrom(t.imageService.pullImage(reference, { authFile: path }));
      assert.ok(await t.imageService.imageStatus(reference));
      await t.imageService.removeImage(reference);
    },
  },
  list: {
    title: 'images are listed with their names and sizes',
    run: async (t) => {
      const pulled = [await t.pull(t.images.busybox), await t.pull(t.images.spare)];
      const listed = await t.imageService.listImages();
      for (const image of pulled)
        assert.deepEqual(
          listed.find(({ id }) => id === image.id),
          image,
        );
      const user = await t.pull(t.images.nonroot);
      assert.equal(user.username, 'app');
    },
  },
  remove: {
    title: 'an image is gone when it was removed; removing it again does nothing',
    run: async (t) => {
      const { id } = await t.pull(t.images.spare);
      await t.imageService.removeImage(t.images.spare);
      assert.equal(await t.imageService.imageStatus(t.images.spare), undefined);
      assert.ok(!(await t.imageService.listImages()).some((image) => image.id === id));
      await t.imageService.removeImage(t.images.spare);
      await t.imageService.removeImage(t.images.absent);
    },
  },
  'in-use': {
    title: 'an image that a container needs is not removed, also when the container has ended',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const id = await t.start(sandboxId, exitWith(0), { image: t.images.spare });
      await t.ended(id);
      await t.rejects(t.imageService.removeImage(t.images.spare), 'in-use');
      assert.ok(await t.imageService.imageStatus(t.images.spare));
      await t.service.removeContainer(id);
      await t.imageService.removeImage(t.images.spare);
      assert.equal(await t.imageService.imageStatus(t.images.spare), undefined);
    },
  },
  load: {
    title: 'an archive is loaded under its own name or another, and its image runs',
    run: async (t) => {
      const { docker: path, reference } = t.images.archives;
      const own = await t.imageService.loadImage(path);
      assert.ok(own.some(({ repoTags }) => repoTags.includes(normalizeImageReference(reference))));
      const { id, exit } = await t.runToEnd(exitWith(4), { image: reference });
      assert.equal(exit.exitCode, 4);
      await t.service.removeContainer(id);
      const name = `localhost/${t.namespace}/loaded:1`;
      const [other] = await t.imageService.loadImage(path, { reference: name });
      assert.ok(other?.repoTags.includes(name));
      assert.equal((await t.imageService.imageStatus(name))?.id, other?.id);
      await t.imageService.removeImage(name);
      assert.equal(await t.imageService.imageStatus(name), undefined);
      assert.ok(await t.imageService.imageStatus(reference), 'the other name stays');
    },
  },
  'load-oci': {
    title: 'an OCI archive is loaded, and its image runs',
    run: async (t) => {
      const name = `localhost/${t.namespace}/oci:1`;
      const [image] = await t.imageService.loadImage(t.images.archives.oci, { reference: name });
      assert.ok(image?.repoTags.includes(name));
      const { id, exit } = await t.runToEnd(exitWith(4), { image: name });
      assert.equal(exit.exitCode, 4);
      await t.service.removeContainer(id);
      await t.imageService.removeImage(name);
    },
  },
  'load-wrong': {
    title: 'loading what is not there, or no archive, is an error',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      await t.host.writeFile(`${directory}/text`, 'this is no archive\n');
      const before = await t.imageService.listImages();
      await t.rejects(t.imageService.loadImage(`${directory}/missing.tar`), 'not-found');
      await t.rejects(t.imageService.loadImage(`${directory}/text`), 'invalid-argument');
      assert.deepEqual(await t.imageService.listImages(), before);
    },
  },
  usage: {
    title: 'the image store tells where it lies and how full it is',
    run: async (t) => {
      await t.pull(t.images.busybox);
      const { mountpoint, usedBytes, inodesUsed, capacityBytes, availableBytes } =
        await t.imageService.imageFsInfo();
      assert.ok(mountpoint.startsWith('/'));
      assert.ok(usedBytes > 0 && inodesUsed > 0);
      assert.ok(capacityBytes >= usedBytes && capacityBytes >= availableBytes && availableBytes >= 0);
    },
  },
  cancelled: {
    title: 'a pull that is unsubscribed from tells nothing more and leaves no half an image',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      let told = 0;
      const subscription = t.imageService.pullImage(t.images.spare).subscribe(() => told++);
      subscription.unsubscribe();
      const before = told;
      const image = await t.pull(t.images.spare);
      assert.equal(told, before);
      assert.equal((await t.runToEnd(['cat', '/etc/passwd'], { image: image.id })).exit.exitCode, 0);
    },
  },
  'tag-and-digest': {
    title: 'of a name with tag and digest the digest counts; a digest that nobody has is not found',
    run: async (t) => {
      const tagged = await t.pull(t.images.spare);
      const digest = tagged.repoDigests[0] ?? assert.fail('a pulled image has a name with a digest');
      await t.imageService.removeImage(tagged.id);
      const [name = '', hash = ''] = digest.split('@');
      const pulled = await t.pull(`${name}:no-such-tag@${hash}`);
      assert.equal(pulled.id, tagged.id);
      assert.ok(pulled.repoDigests.includes(digest));
      const other = `${name}@sha256:${'0'.repeat(64)}`;
      await t.rejects(lastValueFrom(t.imageService.pullImage(other)), 'image-not-found');
      await t.imageService.removeImage(pulled.id);
    },
  },
  'at-once': {
    title: 'pulls of one image at the same time all end with it, also when one of them is cancelled',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      const cancelled = t.imageService.pullImage(t.images.spare).subscribe({ error: () => undefined });
      const pulls = [t.pull(t.images.spare), t.pull(t.images.spare)];
      cancelled.unsubscribe();
      const [first, second] = await Promise.all(pulls);
      assert.equal(first?.id, second?.id);
      const all = await t.imageService.listImages();
      assert.equal(all.filter(({ id }) => id === first?.id).length, 1);
    },
  },
  'in-use-restart': {
    title: 'an image is in use also for an agent that was started after its container',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), exitWith(0), { image: t.images.spare });
      await t.ended(id);
      await t.restartAgent();
      await t.rejects(t.imageService.removeImage(t.images.spare), 'in-use');
      await t.service.removeContainer(id);
      await t.imageService.removeImage(t.images.spare);
    },
  },
  volumes: {
    title: 'an image tells the volumes that it declares',
    run: async (t) => {
      assert.deepEqual((await t.pull(t.images.workdir)).volumes, ['/data']);
      assert.equal((await t.pull(t.images.busybox)).volumes, undefined);
    },
  },
  'back-off': {
    title:
      'a pod whose image could not be pulled waits before it is asked for again; who asks himself does not',
    run: async (t) => {
      const { absent } = t.images;
      const pod = t.pod([{ image: absent, command: ['true'] }], { hostNetwork: true });
      await t.rejects(t.runPod(pod), 'image-not-found');
      const before = Date.now();
      const error = await t.rejects(t.runPod(pod), 'image-pull-back-off');
      assert.equal(error.details['reason'], 'ImagePullBackOff');
      assert.ok(error.message.includes('Back-off pulling image'));
      const waitMs = Number(error.details['retryAtMs']) - before;
      assert.ok(waitMs > 0 && waitMs <= 10_000, `the wait is ${waitMs} ms, and 10 s at first`);
      await t.rejects(t.runtime.ensureImage(absent, 'IfNotPresent'), 'image-not-found');
      const other = t.pod([{ image: absent, command: ['true'] }], { hostNetwork: true });
      await t.rejects(t.runPod(other), 'image-not-found');
    },
  },
  'never-reason': {
    title: 'a pod whose image is not there and is never pulled says so in the words of Kubernetes',
    run: async (t) => {
      const sketch = { image: t.images.absent, imagePullPolicy: 'Never', command: ['true'] };
      const error = await t.rejects(t.runPod(t.pod([sketch], { hostNetwork: true })), 'image-not-found');
      assert.equal(error.details['reason'], 'ErrImageNeverPull');
    },
  },
});
