import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { configMap, execIn, type Fields, outputOf, podWith, settings } from '../volume-pods.js';
import { script, sleepForever } from '../workloads.js';

/** Directories, parts of volumes, and files of images. */
export const volumeCases = section('volumes', {
  'empty-dir': {
    title: 'an emptyDir is shared by the containers of a pod, begins empty, and ends with the pod',
    run: async (t) => {
      const mount = { volumeMounts: [{ name: 'd', mountPath: '/d' }] };
      const spec = {
        hostNetwork: true,
        volumes: [{ name: 'd', emptyDir: {} }],
        initContainers: [{ command: script('ls /d; echo from-init > /d/file'), ...mount }],
      };
      const make = (uid: string) =>
        t.pod([{ command: script('cat /d/file; ls /d'), ...mount }], spec, { name: 'same', uid });
      for (const uid of [`${t.namespace}-a`, `${t.namespace}-b`]) {
        assert.deepEqual(await outputOf(t, make(uid)), ['from-init', 'file']);
        await t.runtime.removePod({ uid });
      }
    },
  },
  'empty-dir-memory': {
    title: 'an emptyDir in memory is used as any other',
    run: async (t) => {
      const volumes = [{ name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }];
      assert.deepEqual(await outputOf(t, podWith(t, 'echo x > /v/m/f; cat /v/m/f', volumes)), ['x']);
    },
  },
  'host-path-create': {
    title: 'a hostPath of type DirectoryOrCreate or FileOrCreate is made, and stays when the pod has gone',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      const volumes = [
        { name: 'd', hostPath: { path: `${directory}/new/dir`, type: 'DirectoryOrCreate' } },
        { name: 'f', hostPath: { path: `${directory}/file`, type: 'FileOrCreate' } },
      ];
      const pod = podWith(t, 'echo x > /v/d/f; echo y > /v/f', volumes);
      await outputOf(t, pod);
      await t.runtime.removePod({ uid: pod.metadata.uid });
      assert.equal(await t.host.readFile(`${directory}/new/dir/f`), 'x\n');
      assert.equal(await t.host.readFile(`${directory}/file`), 'y\n');
    },
  },
  'host-path-type': {
    title: 'a hostPath that is not there, or not of its type, is refused, naming it',
    run: async (t) => {
      const directory = await t.host.makeDirectory();
      await t.host.writeFile(`${directory}/file`, '');
      for (const [name, type, kind] of [
        ['missing', 'Directory', 'not-found'],
        ['missing', 'File', 'not-found'],
        ['file', 'Directory', 'failed-precondition'],
      ] as const) {
        const volumes = [{ name: 'v', hostPath: { path: `${directory}/${name}`, type } }];
        const error = await t.rejects(t.runPod(podWith(t, 'true', volumes)), kind);
        assert.ok(error.message.includes(`${directory}/${name}`), error.message);
      }
      assert.equal((await t.runtime.getPods({ all: true, namespace: t.namespace })).length, 0);
    },
  },
  'sub-path': {
    title: 'containers get parts of a volume of their own, by a name or by their variables',
    run: async (t) => {
      const mount = (more: Fields) => ({ volumeMounts: [{ name: 'd', mountPath: '/d', ...more }] });
      const env = [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }];
      const pod = t.pod(
        [{ command: script('cat /d/logs/*/file'), ...mount({}) }],
        {
          hostNetwork: true,
          volumes: [{ name: 'd', emptyDir: {} }],
          initContainers: [
            { command: script('echo one > /d/file'), ...mount({ subPath: 'logs/fixed' }) },
            { command: script('echo two > /d/file'), env, ...mount({ subPathExpr: 'logs/$(POD)' }) },
          ],
        },
        { name: 'z' },
      );
      const command = script('cat /d/logs/fixed/file /d/logs/z/file');
      const [container] = pod.spec.containers;
      assert.ok(container);
      const spec = { ...pod.spec, containers: [{ ...container, command: [...command] }] };
      assert.deepEqual(await outputOf(t, { ...pod, spec }), ['one', 'two']);
    },
  },
  'restart-with-volumes': {
    title:
      'a container that is started again has its volumes and their parts, with the present content of objects',
    needs: ['supervisedRestart'],
    run: async (t) => {
      const text =
        'cat /v/c/a; cat /part; echo x >> /v/d/runs; if [ "$(wc -l < /v/d/runs)" -gt 1 ]; then sleep 100000; fi; ' +
        'until [ -e /v/d/go ]; do sleep 0.1; done; exit 1';
      const volumes = [settings, { name: 'd', emptyDir: {} }];
      const pod = t.pod(
        [
          {
            command: script(text),
            volumeMounts: [
              { name: 'c', mountPath: '/v/c' },
              { name: 'd', mountPath: '/v/d' },
              { name: 'c', mountPath: '/part', subPath: 'a' },
            ],
          },
        ],
        { hostNetwork: true, restartPolicy: 'OnFailure', volumes },
      );
      const { uid } = await t.runPod(pod, { objects: [configMap(t, { a: 'old\n' })] });
      await t.runtime.updateObjects({ uid }, [configMap(t, { a: 'new\n' })]);
      await execIn(t, uid, 'touch /v/d/go');
      const status = await t.podStatus(
        uid,
        ({ containers }) => containers[0]?.restartCount === 1 && containers[0].state === 'running',
        'was started again',
      );
      const id = status.containers[0]?.id.replace(/^.*:\/\//, '') ?? '';
      const log = t.service.containerLogs(id, { follow: true });
      await t.line(log, 'new');
      assert.equal(await execIn(t, uid, 'cat /part'), 'new\n');
    },
  },
  'image-volume': {
    title: 'the files of an image can be mounted, read-only, and the image is in use meanwhile',
    run: async (t) => {
      const volumes = [{ name: 'i', image: { reference: t.images.spare, pullPolicy: 'IfNotPresent' } }];
      const text = 'cat /v/i/spare; touch /v/i/new 2>/dev/null || echo refused; sleep 100000';
      const pod = podWith(t, text, volumes);
      const { uid } = await t.runPod(pod);
      const status = await t.runtime.getPodStatus({ uid });
      await t.says(status.containers[0]?.id.replace(/^.*:\/\//, '') ?? '', 'refused');
      assert.equal(await execIn(t, uid, 'cat /v/i/spare'), 'spare\n');
      await t.rejects(t.runtime.removeImage(t.images.spare), 'in-use');
      await t.runtime.removePod({ uid });
      await t.runtime.removeImage(t.images.spare);
    },
  },
  'image-volume-missing': {
    title: 'an image volume whose image is not there and may not be pulled is refused',
    run: async (t) => {
      const volumes = [{ name: 'i', image: { reference: t.images.absent, pullPolicy: 'Never' } }];
      await t.rejects(t.runPod(podWith(t, 'true', volumes)), 'image-not-found');
    },
  },
  'image-volume-changed': {
    title: 'a sync with another image for a volume gives the container the files of that one',
    run: async (t) => {
      const volumesOf = (reference: string) => [
        { name: 'i', image: { reference, pullPolicy: 'IfNotPresent' as const } },
      ];
      const pod = podWith(t, 'sleep 100000', volumesOf(t.images.spare));
      const { uid } = await t.runPod(pod);
      assert.equal(await execIn(t, uid, 'cat /v/i/spare'), 'spare\n');
      const changed = { ...pod, spec: { ...pod.spec, volumes: volumesOf(t.images.workdir) } };
      const { actions } = await t.runtime.syncPod(changed);
      assert.deepEqual(
        actions.flatMap(({ error }) => error ?? []),
        [],
      );
      assert.equal(
        await execIn(t, uid, 'cat /v/i/spare 2>/dev/null; cat /v/i/data/seed'),
        'from the image\n',
      );
    },
  },
  'image-declared': {
    title:
      'a volume that an image declares begins with its files, can be written, and is each container’s own',
    run: async (t) => {
      const sandboxId = await t.sandbox();
      const security = { readOnlyRootFilesystem: true };
      for (let times = 0; times < 2; times++) {
        const text = 'cat /data/seed; ls /data; echo x > /data/new && echo written';
        const id = await t.start(sandboxId, script(text), { image: t.images.workdir, security });
        await t.ended(id);
        const lines = (await t.lines(id)).map((line) => line.text);
        assert.deepEqual(lines, ['from the image', 'seed', 'written']);
      }
    },
  },
  'fs-group': {
    title: 'volumes belong to the fsGroup of the pod, which all containers are in',
    needs: ['kernel'],
    run: async (t) => {
      const volumes = [
        { name: 'd', emptyDir: {} },
        { name: 'm', emptyDir: { medium: 'Memory' } },
        { name: 'c', configMap: { name: 'settings', defaultMode: 0o400 } },
      ];
      const pod = t.pod(
        [
          {
            command: script(
              'touch /v/d/f /v/m/f; stat -c "%g %A" /v/d /v/m; stat -c %g /v/d/f /v/m/f; cat /v/c/a',
            ),
            volumeMounts: volumes.map(({ name }) => ({ name, mountPath: `/v/${name}` })),
          },
        ],
        { hostNetwork: true, volumes, securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 } },
      );
      const lines = await outputOf(t, pod, [configMap(t, { a: 'readable' })]);
      const directory = '2000 drwxrwsrwx';
      assert.deepEqual(lines, [directory, directory, '2000', '2000', 'readable']);
    },
  },
  'sync-changed': {
    title: 'a sync with another size limit and fsGroup changes volumes that are there, with what is in them',
    needs: ['kernel'],
    run: async (t) => {
      const podOf = (sizeLimit: string, fsGroup: number, metadata = {}) => {
        const volumes = [
          { name: 'd', emptyDir: {} },
          { name: 'm', emptyDir: { medium: 'Memory', sizeLimit } },
        ];
        const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/v/${name}` }));
        return t.pod(
          [{ command: sleepForever(), volumeMounts }],
          { hostNetwork: true, volumes, securityContext: { fsGroup } },
          metadata,
        );
      };
      const pod = podOf('1Mi', 2000);
      const { uid } = await t.runPod(pod);
      await execIn(t, uid, 'echo kept | tee /v/d/f /v/m/f');
      const { actions } = await t.runtime.syncPod(podOf('16Mi', 3000, pod.metadata));
      assert.deepEqual(
        actions.flatMap(({ error }) => error ?? []),
        [],
      );
      const look =
        'cat /v/d/f /v/m/f; stat -c %g /v/d /v/m; dd if=/dev/zero of=/v/m/g bs=1M count=2 2>/dev/null; echo $?';
      assert.equal(await execIn(t, uid, look), 'kept\nkept\n3000\n3000\n0\n');
    },
  },
});
