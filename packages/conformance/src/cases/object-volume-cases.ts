import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { configMap, execIn, outputOf, podWith, secret, settings } from '../volume-pods.js';
import { script } from '../workloads.js';

/** Files of ConfigMaps, of Secrets and of the pod itself, and their new content. */
export const objectVolumeCases = section('volumes', {
  'config-map': {
    title: 'the keys of a ConfigMap are files, or those that items names, at their paths',
    run: async (t) => {
      const some = {
        name: 's',
        configMap: { name: 'settings', items: [{ key: 'a', path: 'deep/er/file' }] },
      };
      const pod = podWith(t, 'cat /v/c/a /v/c/b.txt /v/c/bin /v/s/deep/er/file; ls /v/s', [settings, some]);
      const object = configMap(
        t,
        { a: 'one\n', 'b.txt': 'two\n' },
        { binaryData: { bin: Buffer.from('three\n').toString('base64') } },
      );
      assert.deepEqual(await outputOf(t, pod, [object]), ['one', 'two', 'three', 'one', 'deep']);
    },
  },
  'config-map-read-only': {
    title: 'volumes made of objects cannot be written',
    run: async (t) => {
      const pod = podWith(t, 'touch /v/c/new 2>/dev/null || echo refused', [settings]);
      assert.deepEqual(await outputOf(t, pod, [configMap(t, { a: '1' })]), ['refused']);
    },
  },
  projected: {
    title: 'a projected volume has files of a ConfigMap, of a Secret and of the pod itself',
    run: async (t) => {
      const sources = [
        { configMap: { name: 'settings' } },
        { secret: { name: 'keys', items: [{ key: 'key', path: 'tls/key' }] } },
        { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
      ];
      const pod = podWith(t, 'cat /v/p/a /v/p/tls/key /v/p/name', [{ name: 'p', projected: { sources } }]);
      const lines = await outputOf(t, pod, [configMap(t, { a: 'one\n' }), secret(t, { key: 'hush\n' })]);
      assert.deepEqual(lines, ['one', 'hush', pod.metadata.name]);
    },
  },
  'downward-api': {
    title: 'the downward API tells labels and resources in files',
    run: async (t) => {
      const items = [
        { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
        {
          path: 'memory',
          resourceFieldRef: { containerName: 'c0', resource: 'limits.memory', divisor: '1Mi' },
        },
      ];
      const pod = t.pod(
        [
          {
            command: script('cat /d/labels; echo; cat /d/memory'),
            volumeMounts: [{ name: 'd', mountPath: '/d' }],
            resources: { limits: { memory: '64Mi' } },
          },
        ],
        { hostNetwork: true, volumes: [{ name: 'd', downwardAPI: { items } }] },
        { labels: { app: 'web', tier: 'front' } },
      );
      assert.deepEqual(await outputOf(t, pod), ['app="web"', 'tier="front"', '64']);
    },
  },
  'downward-api-sync': {
    title: 'a sync with other labels has them in the files of a pod that runs, and restarts nothing for it',
    run: async (t) => {
      const items = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }];
      const pod = podWith(t, 'sleep 100000', [{ name: 'd', downwardAPI: { items } }]);
      const { uid } = await t.runPod({ ...pod, metadata: { ...pod.metadata, labels: { app: 'old' } } });
      const relabelled = { ...pod, metadata: { ...pod.metadata, labels: { app: 'new' } } };
      assert.deepEqual((await t.runtime.syncPod(relabelled)).actions, []);
      assert.equal(await execIn(t, uid, 'cat /v/d/labels'), 'app="new"');
    },
  },
  'downward-api-resize': {
    title: 'limits that are changed live are in the files of the pod',
    needs: ['updateResources'],
    run: async (t) => {
      const resourceFieldRef = { containerName: 'c0', resource: 'limits.memory', divisor: '1Mi' };
      const volume = { name: 'd', downwardAPI: { items: [{ path: 'memory', resourceFieldRef }] } };
      const pod = podWith(t, 'sleep 100000', [volume], { resources: { limits: { memory: '64Mi' } } });
      const { uid } = await t.runPod(pod);
      assert.equal(await execIn(t, uid, 'cat /v/d/memory'), '64');
      await t.runtime.updateContainerResources({ uid }, { memoryLimitBytes: 96 * 1024 * 1024 });
      assert.equal(await execIn(t, uid, 'cat /v/d/memory'), '96');
      const { manifest } = await t.runtime.getPodStatus({ uid });
      assert.ok(manifest);
      const [container] = manifest.spec.containers;
      assert.ok(container);
      const larger = { ...container, resources: { limits: { memory: '128Mi' }, requests: {} } };
      await t.runtime.syncPod({ ...manifest, spec: { ...manifest.spec, containers: [larger] } });
      assert.equal(await execIn(t, uid, 'cat /v/d/memory'), '128');
    },
  },
  modes: {
    title: 'files of objects have the modes that they are given',
    needs: ['kernel'],
    run: async (t) => {
      const items = [
        { key: 'a', path: 'a', mode: 0o600 },
        { key: 'b', path: 'b' },
      ];
      const volume = { name: 'c', configMap: { name: 'settings', defaultMode: 0o440, items } };
      const pod = podWith(t, 'stat -L -c %a /v/c/a /v/c/b', [volume]);
      assert.deepEqual(await outputOf(t, pod, [configMap(t, { a: '', b: '' })]), ['600', '440']);
    },
  },
  'missing-object': {
    title:
      'a pod whose volume needs an object or a key that is not there is refused, and nothing is left of it',
    run: async (t) => {
      const keyed = { name: 'c', configMap: { name: 'settings', items: [{ key: 'other', path: 'x' }] } };
      for (const [volume, objects] of [
        [settings, []],
        [keyed, [configMap(t, { a: '1' })]],
      ] as const) {
        const error = await t.rejects(t.runPod(podWith(t, 'true', [volume]), { objects }), 'not-found');
        assert.ok(error.message.includes('settings'), error.message);
      }
      assert.equal((await t.runtime.getPods({ all: true, namespace: t.namespace })).length, 0);
    },
  },
  optional: {
    title: 'an optional object that is not there makes an empty volume',
    run: async (t) => {
      const volume = { name: 'c', configMap: { name: 'settings', optional: true } };
      assert.deepEqual(await outputOf(t, podWith(t, 'ls /v/c; echo end', [volume])), ['end']);
    },
  },
  'other-namespace': {
    title: 'an object of another namespace is refused',
    run: async (t) => {
      const object = configMap(t, {}, { metadata: { name: 'settings', namespace: 'elsewhere' } });
      await t.rejects(t.runPod(podWith(t, 'true', []), { objects: [object] }), 'invalid-argument');
    },
  },
  update: {
    title:
      'new content of objects is in the volumes of a running pod, keys come and go; variables and parts keep theirs',
    run: async (t) => {
      const pod = podWith(t, 'sleep 100000', [settings], {
        env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }],
        volumeMounts: [
          { name: 'c', mountPath: '/v/c' },
          { name: 'c', mountPath: '/v/part', subPath: 'a' },
        ],
      });
      const { uid } = await t.runPod(pod, { objects: [configMap(t, { a: 'old\n', gone: '' })] });
      await t.runtime.updateObjects({ uid }, [configMap(t, { a: 'new\n', b: 'more\n' })]);
      assert.equal(
        await execIn(t, uid, 'cat /v/c/a /v/c/b /v/part; ls /v/c; echo "$A"'),
        'new\nmore\nold\na\nb\nold\n\n',
      );
    },
  },
  'update-by-sync': {
    title: 'a sync gives the volumes the content of its objects, and restarts nothing for it',
    run: async (t) => {
      const pod = podWith(t, 'sleep 100000', [settings]);
      const { uid } = await t.runPod(pod, { objects: [configMap(t, { a: '1' })] });
      const { actions } = await t.runtime.syncPod(pod, { objects: [configMap(t, { a: '2' })] });
      assert.deepEqual(actions, []);
      assert.equal(await execIn(t, uid, 'cat /v/c/a'), '2');
    },
  },
  'update-with-missing-part': {
    title: 'a volume of which a missing part is mounted gets new content, a file in place of that part too',
    run: async (t) => {
      const pod = podWith(t, 'sleep 100000', [settings], {
        volumeMounts: [
          { name: 'c', mountPath: '/v/c' },
          { name: 'c', mountPath: '/v/part', subPath: 'later' },
        ],
      });
      const { uid } = await t.runPod(pod, { objects: [configMap(t, { a: '1' })] });
      await t.runtime.updateObjects({ uid }, [configMap(t, { a: '2' })]);
      assert.equal(await execIn(t, uid, 'cat /v/c/a; ls /v/part'), '2');
      await t.runtime.updateObjects({ uid }, [configMap(t, { a: '3', later: '4' })]);
      assert.equal(await execIn(t, uid, 'cat /v/c/a /v/c/later'), '34');
    },
  },
  'update-immutable': {
    title: 'an immutable object cannot be changed, and then nothing is',
    run: async (t) => {
      const object = (value: string) => configMap(t, { a: value }, { immutable: true });
      const other = (value: string) =>
        configMap(t, { a: value }, { metadata: { name: 'other', namespace: t.namespace } });
      const volumes = [settings, { name: 'o', configMap: { name: 'other' } }];
      const { uid } = await t.runPod(podWith(t, 'sleep 100000', volumes), {
        objects: [object('1'), other('1')],
      });
      await t.runtime.updateObjects({ uid }, [object('1')]);
      await t.rejects(t.runtime.updateObjects({ uid }, [other('2'), object('2')]), 'failed-precondition');
      assert.equal(await execIn(t, uid, 'cat /v/c/a /v/o/a'), '11');
    },
  },
  'update-missing': {
    title: 'objects of a pod that is not there, and without a key that a volume needs, cannot be updated',
    run: async (t) => {
      await t.rejects(t.runtime.updateObjects({ name: 'nobody' }, []), 'not-found');
      const volume = { name: 'c', configMap: { name: 'settings', items: [{ key: 'a', path: 'a' }] } };
      const pod = podWith(t, 'sleep 100000', [volume]);
      const { uid } = await t.runPod(pod, { objects: [configMap(t, { a: '1' })] });
      await t.rejects(t.runtime.updateObjects({ uid }, [configMap(t, { b: '2' })]), 'not-found');
      assert.equal(await execIn(t, uid, 'cat /v/c/a'), '1');
    },
  },
  'update-by-next-agent': {
    title: 'the next agent knows the objects of a pod: what it does not change stays',
    run: async (t) => {
      const volumes = [settings, { name: 's', secret: { secretName: 'keys' } }];
      const objects = [configMap(t, { a: '1' }), secret(t, { key: 'k' })];
      const { uid } = await t.runPod(podWith(t, 'sleep 100000', volumes), { objects });
      await t.restartAgent();
      await t.runtime.updateObjects({ uid }, [configMap(t, { a: '2' })]);
      assert.equal(await execIn(t, uid, 'cat /v/c/a /v/s/key'), '2k');
    },
  },
});
