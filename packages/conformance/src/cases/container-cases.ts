import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { lastOf } from '../log-lines.js';
import { exitWith, sleepForever } from '../workloads.js';
import { awkwardMap } from './sandbox-cases.js';

export const containerCases = section('container', {
  states: {
    title: 'a container is created, running and exited, and each state tells what it knows',
    run: async (t) => {
      const before = Date.now() - 1000;
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ command: sleepForever() });
      const id = await t.service.createContainer(sandboxId, config);
      const created = await t.service.containerStatus(id);
      assert.equal(created.state, 'created');
      assert.deepEqual(created.attempts, [], 'what was never started has no attempt');
      assert.equal(created.sandboxId, sandboxId);
      assert.deepEqual(created.metadata, config.metadata);

      await t.service.startContainer(id);
      const running = await t.service.containerStatus(id);
      assert.equal(running.state, 'running');
      assert.equal(running.attempts.length, 1);
      assert.equal(lastOf(running).attempt, 0);
      assert.equal(lastOf(running).exitCode, undefined);
      assert.ok(lastOf(running).startedAtMs >= before);

      await t.service.stopContainer(id, { graceMs: 0 });
      const exited = await t.service.containerStatus(id);
      assert.equal(exited.state, 'exited');
      assert.equal(lastOf(exited).startedAtMs, lastOf(running).startedAtMs);
      const { finishedAtMs = 0, startedAtMs } = lastOf(exited);
      assert.ok(finishedAtMs >= startedAtMs && finishedAtMs <= Date.now() + 1000);
      assert.equal(exited.createdAtMs, created.createdAtMs);
    },
  },
  'exit-codes': {
    title: "every exit code is told as it was, with Kubernetes' reason",
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const codes = [0, 1, 2, 7, 42, 127, 255];
      const ids = await Promise.all(codes.map((code) => t.start(sandboxId, exitWith(code))));
      const ends = await Promise.all(ids.map(async (id) => lastOf(await t.ended(id))));
      assert.deepEqual(
        ends.map(({ exitCode }) => exitCode),
        codes,
      );
      assert.deepEqual(
        ends.map(({ reason }) => reason),
        codes.map((code) => (code === 0 ? 'Completed' : 'Error')),
      );
    },
  },
  'image-of-status': {
    title: 'a container tells its image as it was asked for, and its id in the store',
    run: async (t) => {
      const { status } = await t.runToEnd(exitWith(0));
      assert.equal(status.image, t.images.busybox);
      assert.equal(status.imageId, (await t.imageService.imageStatus(t.images.busybox))?.id);
    },
  },
  'image-by-id': {
    title: 'a container can be made of an image by its id',
    run: async (t) => {
      const { id } = await t.pull(t.images.busybox);
      assert.equal((await t.runToEnd(exitWith(3), { image: id })).exit.exitCode, 3);
    },
  },
  labels: {
    title: 'labels and annotations of a container come back byte for byte',
    run: async (t) => {
      const { status } = await t.runToEnd(exitWith(0), { labels: { app: 'x' }, annotations: awkwardMap });
      assert.deepEqual(status.labels, { app: 'x' });
      assert.deepEqual(status.annotations, awkwardMap);
    },
  },
  twice: {
    title: 'a second container of the same name and attempt is refused; of the next attempt it is made',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ command: exitWith(0) });
      await t.service.createContainer(sandboxId, config);
      await t.rejects(t.service.createContainer(sandboxId, config), 'already-exists');
      const metadata = { ...config.metadata, attempt: 1 };
      await t.service.createContainer(sandboxId, { ...config, metadata });
      assert.equal((await t.service.listContainers({ sandboxId })).length, 2);
    },
  },
  'no-image': {
    title: 'a container of an image that is not in the store is refused and leaves nothing behind',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const config = t.containerConfig({ image: t.images.absent, command: exitWith(0) });
      await t.rejects(t.service.createContainer(sandboxId, config), 'image-not-found');
      assert.deepEqual(await t.service.listContainers({ sandboxId }), []);
    },
  },
  'no-sandbox': {
    title: 'a container in a sandbox that is not there is refused',
    run: async (t) => {
      await t.pull(t.images.busybox);
      const config = t.containerConfig({ command: exitWith(0) });
      await t.rejects(t.service.createContainer('0123456789abcdef', config), 'not-found');
    },
  },
  'no-such-program': {
    title: 'a container whose program is not there fails to start, naming it, and does not run',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const command = ['/no/such-program'];
      const id = await t.service.createContainer(sandboxId, t.containerConfig({ command }));
      const error = await t.rejects(t.service.startContainer(id), 'container-start-failed');
      assert.match(error.message, /such-program/);
      assert.notEqual((await t.service.containerStatus(id)).state, 'running');
      await t.service.removeContainer(id);
    },
  },
  'start-twice': {
    title: 'a container is started once only, also after it has ended',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const id = await t.start(sandboxId, exitWith(0));
      await t.rejects(t.service.startContainer(id), 'failed-precondition');
      await t.ended(id);
      await t.rejects(t.service.startContainer(id), 'failed-precondition');
      await t.rejects(t.service.startContainer('0123456789abcdef'), 'not-found');
      assert.equal((await t.service.containerStatus(id)).attempts.length, 1);
    },
  },
  remove: {
    title: 'removing kills a running container and takes its record away; doing it again does nothing',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const id = await t.start(sandboxId, sleepForever());
      await t.service.removeContainer(id);
      await t.rejects(t.service.containerStatus(id), 'not-found');
      await t.rejects(t.entries(id), 'not-found');
      assert.deepEqual(await t.service.listContainers({ id }), []);
      await t.service.removeContainer(id);
    },
  },
  'remove-created': {
    title: 'a container that was never started can be removed',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const id = await t.service.createContainer(sandboxId, t.containerConfig({ command: exitWith(0) }));
      await t.service.removeContainer(id);
      assert.deepEqual(await t.service.listContainers({ sandboxId }), []);
    },
  },
  list: {
    title: 'containers are listed newest first, by id, sandbox, pod, state and labels',
    run: async (t) => {
      const labels = { 'example.com/case': t.namespace };
      const sandboxId = await t.sandbox();
      const other = await t.sandbox();
      const ended = await t.start(sandboxId, exitWith(0), { labels });
      const running = await t.start(sandboxId, sleepForever(), { labels: { ...labels, tier: 'b' } });
      const elsewhere = await t.start(other, sleepForever(), { labels });
      await t.ended(ended);
      const { podUid } = await t.service.containerStatus(elsewhere);
      const ids = async (filter: Parameters<typeof t.service.listContainers>[0]) =>
        (await t.service.listContainers(filter)).map(({ id }) => id);
      assert.deepEqual(await ids({ labels }), [elsewhere, running, ended]);
      assert.deepEqual(await ids({ sandboxId }), [running, ended]);
      assert.deepEqual(await ids({ podUid }), [elsewhere]);
      assert.deepEqual(await ids({ labels, state: 'exited' }), [ended]);
      assert.deepEqual(await ids({ sandboxId, state: 'running' }), [running]);
      assert.deepEqual(await ids({ labels: { ...labels, tier: 'b' } }), [running]);
      assert.deepEqual(await ids({ labels: { ...labels, tier: 'c' } }), []);
      assert.deepEqual(await ids({ id: ended }), [ended]);
    },
  },
  'many-at-once': {
    title: 'many containers of one sandbox started at once all run and all tell their own code',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const codes = [...Array(12).keys()];
      const ids = await Promise.all(codes.map((code) => t.start(sandboxId, exitWith(code))));
      assert.equal(new Set(ids).size, codes.length);
      const ends = await Promise.all(ids.map(async (id) => lastOf(await t.ended(id)).exitCode));
      assert.deepEqual(ends, codes);
    },
  },
});
