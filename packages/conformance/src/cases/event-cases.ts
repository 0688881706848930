import assert from 'node:assert/strict';
import type { PodEvent, RuntimeEvent } from '@podwright/core';
import { section } from '../conformance-case.js';
import { exitWith, onTermExit } from '../workloads.js';

export const eventCases = section('events', {
  service: {
    title: 'a backend tells what happens to a container, in order, with ids and codes',
    run: async (t) => {
      const seen: RuntimeEvent[] = [];
      const config = t.sandboxConfig();
      const subscription = t.service.events.subscribe((event) => seen.push(event));
      t.atEnd('subscription', async () => subscription.unsubscribe());
      const own = () => seen.filter(({ podUid }) => podUid === config.metadata.uid);
      await t.pull(t.images.busybox);
      const removed = t.next(
        t.service.events,
        ({ type, podUid }) => type === 'sandbox-removed' && podUid === config.metadata.uid,
        'the removal of the sandbox',
      );
      const ended = t.next(
        t.service.events,
        ({ type, podUid }) => type === 'container-exited' && podUid === config.metadata.uid,
        'the end of the container',
      );
      const sandboxId = await t.service.runPodSandbox(config);
      const id = await t.start(sandboxId, exitWith(7));
      // Its status may have it before it is told.
      await ended;
      await t.service.stopPodSandbox(sandboxId);
      await t.service.removePodSandbox(sandboxId);
      await removed;
      assert.deepEqual(
        own().map(({ type }) => type),
        [
          'sandbox-created',
          'container-created',
          'container-started',
          'container-exited',
          'sandbox-stopped',
          'container-removed',
          'sandbox-removed',
        ],
      );
      assert.ok(own().every((event) => event.sandboxId === sandboxId));
      assert.ok(own().every((event) => !('containerId' in event) || event.containerId === id));
      const exited = own().find(({ type }) => type === 'container-exited');
      assert.ok(exited?.type === 'container-exited');
      assert.equal(exited.attempt.exitCode, 7);
      assert.equal(exited.restartInMs, undefined, 'nobody starts it again');
    },
  },
  pod: {
    title: 'a runtime tells what happens to a pod, in order, with the object it is about',
    run: async (t) => {
      const seen: PodEvent[] = [];
      const pod = t.pod([{ command: onTermExit(3) }], { hostNetwork: true });
      const { uid, name } = pod.metadata;
      const subscription = t.runtime.events.subscribe((event) => seen.push(event));
      t.atEnd('subscription', async () => subscription.unsubscribe());
      const removed = t.next(
        t.runtime.events,
        ({ reason, object }) => reason === 'Removed' && object.uid === uid,
        'the removal',
      );
      await t.runPod(pod);
      await t.line(t.runtime.getContainerLogs({ uid }, { follow: true }), 'ready');
      await t.runtime.killPod({ uid }, { graceMs: 100_000 });
      await t.runtime.removePod({ uid });
      await removed;
      const own = seen.filter(({ object }) => object.uid === uid);
      const reasons = own.map(({ reason }) => reason);
      const order = ['Created', 'Started', 'Killing', 'Removed'] as const;
      const places = order.map((reason) => reasons.indexOf(reason));
      assert.ok(
        places.every((place) => place >= 0),
        `all of ${order.join(', ')} are told: ${reasons.join(', ')}`,
      );
      assert.deepEqual(
        places,
        [...places].sort((a, b) => a - b),
        reasons.join(', '),
      );
      const started = own.find(({ reason }) => reason === 'Started');
      assert.deepEqual(started?.object, {
        kind: 'Pod',
        namespace: t.namespace,
        name,
        uid,
        fieldPath: 'spec.containers{c0}',
      });
      assert.equal(started?.type, 'Normal');
    },
  },
  pulled: {
    title: 'a pull for a pod is told, and a failed one is a warning',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      const seen: PodEvent[] = [];
      const subscription = t.runtime.events.subscribe((event) => seen.push(event));
      t.atEnd('subscription', async () => subscription.unsubscribe());
      const good = t.pod([{ image: t.images.spare, command: exitWith(0) }], { hostNetwork: true });
      await t.runPod(good);
      const told = (uid: string) => seen.filter(({ object }) => object.uid === uid);
      assert.deepEqual(
        told(good.metadata.uid)
          .map(({ reason }) => reason)
          .slice(0, 2),
        ['Pulling', 'Pulled'],
      );
      const bad = t.pod([{ image: t.images.absent }], { hostNetwork: true });
      await t.rejects(t.runPod(bad), 'image-not-found');
      const failure = told(bad.metadata.uid).find(({ reason }) => reason === 'Failed');
      assert.equal(failure?.type, 'Warning');
    },
  },
});
