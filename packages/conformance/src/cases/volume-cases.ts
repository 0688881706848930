import assert from 'node:assert/strict';
import { type ConfigObject, type Pod, parseConfigObject } from '@podwright/core';
import { filter, firstValueFrom } from 'rxjs';
import type { CaseContext } from '../case-context.js';
import { section } from '../conformance-case.js';
import { script, sleepForever } from '../workloads.js';

type Fields = Readonly<Record<string, unknown>>;

function configMap(t: CaseContext, data: Fields, more: Fields = {}): ConfigObject {
  const metadata = { name: 'settings', namespace: t.namespace };
  return parseConfigObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data, ...more });
}

function secret(t: CaseContext, stringData: Fields): ConfigObject {
  const metadata = { name: 'keys', namespace: t.namespace };
  return parseConfigObject({ apiVersion: 'v1', kind: 'Secret', metadata, stringData });
}

/** A pod of one container that runs a script with volumes mounted below /v, each by its name. */
function podWith(t: CaseContext, text: string, volumes: readonly Fields[], container: Fields = {}): Pod {
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/v/${String(name)}` }));
  return t.pod([{ command: script(text), volumeMounts, ...container }], { hostNetwork: true, volumes });
}

const settings = { name: 'c', configMap: { name: 'settings' } };

/** Runs a pod to its end. @returns what its first container has written */
async function outputOf(t: CaseContext, pod: Pod, objects: readonly ConfigObject[] = []) {
  const { uid } = await t.runPod(pod, { objects });
  const status = await t.podEnded(uid);
  const id = status.containers.find(({ kind }) => kind === 'app')?.id.replace(/^.*:\/\//, '') ?? '';
  return (await t.lines(id)).map(({ text }) => text);
}

async function execIn(t: CaseContext, uid: string, text: string): Promise<string> {
  return (await t.runtime.runInContainer({ uid }, script(text))).stdout.toString();
}

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
  variables: {
    title: 'variables take their values from ConfigMaps and Secrets; those of the manifest win',
    run: async (t) => {
      const command = script('echo "$A|$P_a|$P_key|$B|$NONE"');
      const env = [
        { name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } },
        { name: 'P_a', value: 'own $(A)' },
        { name: 'B', valueFrom: { secretKeyRef: { name: 'keys', key: 'key' } } },
        { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'none', key: 'x', optional: true } } },
      ];
      const envFrom = [
        { prefix: 'P_', configMapRef: { name: 'settings' } },
        { prefix: 'P_', secretRef: { name: 'keys' } },
      ];
      const pod = t.pod([{ command, env, envFrom }], { hostNetwork: true });
      const objects = [configMap(t, { a: 'one $(B)' }), secret(t, { key: 'hush' })];
      assert.deepEqual(await outputOf(t, pod, objects), ['one $(B)|own one $(B)|hush|hush|']);
    },
  },
  'variables-of-pod': {
    title: 'variables tell the pod its own name, uid, addresses and node',
    run: async (t) => {
      const names = ['metadata.name', 'metadata.uid', 'status.podIP', 'status.hostIP', 'spec.nodeName'];
      const env = names.map((fieldPath, index) => ({
        name: `F${index}`,
        valueFrom: { fieldRef: { fieldPath } },
      }));
      const pod = t.pod([{ command: script('echo "$F0|$F1|$F2|$F3|$F4"'), env }]);
      const [line = ''] = await outputOf(t, pod);
      const [name, uid, podIp, hostIp = '', node = ''] = line.split('|');
      const { ips } = await t.runtime.getPodStatus({ uid: pod.metadata.uid });
      assert.deepEqual([name, uid], [pod.metadata.name, pod.metadata.uid]);
      if (ips.length > 0) assert.equal(podIp, ips[0]);
      assert.match(hostIp, /^[0-9a-f.:]+$/);
      assert.notEqual(node, '');
    },
  },
  'variables-missing': {
    title:
      'a container whose variable needs an object that is not there is refused, and nothing is left of its pod',
    run: async (t) => {
      const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'a' } } }];
      const pod = t.pod([{ command: ['true'], env }], { hostNetwork: true });
      const error = await t.rejects(t.runPod(pod), 'not-found');
      assert.ok(error.message.includes('keys'), error.message);
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
  'events-of-variables': {
    title: 'keys that can be no variables are told in an event',
    run: async (t) => {
      const told = firstValueFrom(
        t.runtime.events.pipe(filter(({ reason }) => reason === 'InvalidEnvironmentVariableNames')),
      );
      const envFrom = [{ configMapRef: { name: 'settings' } }];
      const pod = t.pod([{ command: sleepForever(), envFrom }], { hostNetwork: true });
      await t.runPod(pod, { objects: [configMap(t, { good: '1', '1st': '2' })] });
      const event = await t.soon(told, 'the event');
      assert.ok(event.message.includes('1st') && !event.message.includes('good'), event.message);
    },
  },
});
