import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { script, sleepForever } from '../workloads.js';

export const mountCases = section('mounts', {
  shared: {
    title: 'a directory of the host is shared by containers and host, in both directions',
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      await t.host.writeFile(`${hostPath}/from-host`, 'hello\n');
      const mounts = [{ hostPath, containerPath: '/data' }];
      const sandboxId = await t.sandbox();
      const writer = await t.start(
        sandboxId,
        script('cat /data/from-host > /data/copy; echo ready; sleep 100000'),
        { mounts },
      );
      await t.says(writer, 'ready');
      const reader = await t.start(sandboxId, sleepForever(), {
        mounts: [{ hostPath, containerPath: '/other/place' }],
      });
      assert.equal(
        (await t.service.execSync(reader, ['cat', '/other/place/copy'])).stdout.toString(),
        'hello\n',
      );
      assert.equal(await t.host.readFile(`${hostPath}/copy`), 'hello\n');
    },
  },
  'read-only': {
    title: 'a read-only mount can be read and not written',
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      await t.host.writeFile(`${hostPath}/file`, 'hello\n');
      const mounts = [{ hostPath, containerPath: '/data', readOnly: true }];
      const { stdout } = await t.runToEnd(
        script('cat /data/file; touch /data/new 2>/dev/null || echo refused'),
        { mounts },
      );
      assert.deepEqual(stdout, ['hello', 'refused']);
      assert.equal(await t.host.readFile(`${hostPath}/new`), undefined);
    },
  },
  file: {
    title: 'a single file of the host can be mounted',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      await t.host.writeFile(`${directory}/config`, 'setting\n');
      const mounts = [{ hostPath: `${directory}/config`, containerPath: '/etc/app.conf' }];
      assert.deepEqual((await t.runToEnd(['cat', '/etc/app.conf'], { mounts })).stdout, ['setting']);
    },
  },
  nested: {
    title: 'a mount below another is seen in it',
    run: async (t) => {
      const [outer, inner] = [await t.host.makeDirectory(), await t.host.makeDirectory()];
      await t.host.writeFile(`${outer}/a`, 'outer\n');
      await t.host.writeFile(`${inner}/b`, 'inner\n');
      const mounts = [
        { hostPath: outer, containerPath: '/data' },
        { hostPath: inner, containerPath: '/data/sub' },
      ];
      assert.deepEqual((await t.runToEnd(['cat', '/data/a', '/data/sub/b'], { mounts })).stdout, [
        'outer',
        'inner',
      ]);
    },
  },
  told: {
    title: 'a container tells its mounts as they were asked for',
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      const mounts = [{ hostPath, containerPath: '/data', readOnly: true }];
      const { status } = await t.runToEnd(['true'], { mounts });
      assert.deepEqual(status.mounts, mounts);
    },
  },
  part: {
    title: 'a directory or a file of a volume can be mounted for the whole of it',
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      await t.host.writeFile(`${hostPath}/file`, 'hello\n');
      const mounts = [
        { hostPath, containerPath: '/etc/app.conf', subPath: 'file' },
        { hostPath, containerPath: '/data', subPath: 'made/on/demand' },
      ];
      const { stdout } = await t.runToEnd(script('cat /etc/app.conf; echo new > /data/new'), { mounts });
      assert.deepEqual(stdout, ['hello']);
      assert.equal(await t.host.readFile(`${hostPath}/made/on/demand/new`), 'new\n');
    },
  },
  'part-outside': {
    title: 'a part of a volume cannot be named that lies outside of it',
    run: async (t) => {
      const hostPath = await t.host.makeDirectory();
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      for (const subPath of ['../..', '/etc', 'a/../../b']) {
        const config = t.containerConfig({ mounts: [{ hostPath, containerPath: '/data', subPath }] });
        await t.rejects(t.service.createContainer(sandboxId, config), 'invalid-argument');
      }
    },
  },
  'part-of-file': {
    title: 'a part of a file, and a directory in the place of a file, are no parts of a volume',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      await t.host.writeFile(`${directory}/file`, '');
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      for (const [hostPath, subPath] of [
        [`${directory}/file`, 'x'],
        [directory, 'file/x'],
      ] as const) {
        const config = t.containerConfig({
          command: ['true'],
          mounts: [{ hostPath, containerPath: '/data', subPath }],
        });
        const id = await t.service.createContainer(sandboxId, config);
        await t.rejects(t.service.startContainer(id), 'container-start-failed');
      }
    },
  },
  missing: {
    title: 'a mount of what is not there is refused, naming it',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      await t.pull(t.images.busybox);
      const hostPath = `${await t.host.makeDirectory()}/missing`;
      const config = t.containerConfig({ command: ['true'], mounts: [{ hostPath, containerPath: '/data' }] });
      const make = async () => t.service.startContainer(await t.service.createContainer(sandboxId, config));
      const error = await t.rejects(make(), 'container-start-failed', 'not-found', 'invalid-argument');
      assert.ok(error.message.includes('missing'));
    },
  },
});
