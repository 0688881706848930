import assert from 'node:assert/strict';
import { section } from '../conformance-case.js';
import { collect, joinLines } from '../log-lines.js';
import { script, sleepForever } from '../workloads.js';
import { awkwardMap } from './sandbox-cases.js';

const texts = (lines: readonly { readonly text: string }[]) => lines.map(({ text }) => text);

export const manifestCases = section('pods', {
  annotations: {
    title: 'labels and annotations of a pod come back byte for byte',
    run: async (t) => {
      const labels = { app: 'x', 'example.com/role': 'a_b-c.d' };
      const { uid } = await t.runPod(
        t.pod([{ command: sleepForever() }], { hostNetwork: true }, { labels, annotations: awkwardMap }),
      );
      const status = await t.runtime.getPodStatus({ uid });
      assert.deepEqual(status.labels, labels);
      assert.deepEqual(status.annotations, awkwardMap);
      const [summary] = await t.runtime.getPods({ namespace: t.namespace });
      assert.deepEqual(summary?.annotations, awkwardMap);
    },
  },
  expansion: {
    title:
      "$(VAR) in command, args and env is replaced by the container's variables, $$(VAR) and unknown ones are not",
    run: async (t) => {
      const env = [
        { name: 'ONE', value: '1' },
        { name: 'TWO', value: '$(ONE)2' },
      ];
      const { uid } = await t.runPod(
        t.pod(
          [{ command: ['printf', '%s\\n'], args: ['$(ONE)', '$(TWO)', '$$(ONE)', '$(NONE)', '$HOME'], env }],
          {
            hostNetwork: true,
          },
        ),
      );
      await t.podEnded(uid);
      const lines = joinLines(await collect(t.runtime.getContainerLogs({ uid })));
      assert.deepEqual(texts(lines), ['1', '12', '$(ONE)', '$(NONE)', '$HOME']);
    },
  },
  'empty-dir': {
    title: 'an emptyDir is empty, shared by the containers of its pod, and gone with it',
    run: async (t) => {
      const volumes = [{ name: 'data', emptyDir: {} }];
      const volumeMounts = [{ name: 'data', mountPath: '/data' }];
      const first = t.pod(
        [
          { command: script('ls /data; echo hello > /data/file; sleep 100000'), volumeMounts },
          {
            // It is there before it has its content.
            command: script('until [ -s /data/file ]; do sleep 0.02; done; cat /data/file; sleep 100000'),
            volumeMounts,
          },
        ],
        { volumes, hostNetwork: true },
      );
      const { uid } = await t.runPod(first);
      await t.line(t.runtime.getContainerLogs({ uid, container: 'c1' }, { follow: true }), 'hello');
      assert.deepEqual(
        await collect(t.runtime.getContainerLogs({ uid, container: 'c0' })),
        [],
        'it was empty',
      );
      const [status] = await t.service.listContainers({ podUid: uid });
      const path = status?.mounts.find(({ containerPath }) => containerPath === '/data')?.hostPath ?? '';
      assert.equal(await t.host.readFile(`${path}/file`), 'hello\n');
      await t.runtime.removePod({ uid }, { graceMs: 0 });
      assert.equal(await t.host.readFile(`${path}/file`), undefined);
    },
  },
  'host-path': {
    title: "a hostPath is the host's own directory, and stays when the pod goes",
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const volumes = [{ name: 'data', hostPath: { path } }];
      const command = script('echo hello > /data/file');
      const pod = t.pod([{ command, volumeMounts: [{ name: 'data', mountPath: '/data' }] }], {
        volumes,
        hostNetwork: true,
      });
      const { uid } = await t.runPod(pod);
      await t.podEnded(uid);
      await t.runtime.removePod({ uid });
      assert.equal(await t.host.readFile(`${path}/file`), 'hello\n');
    },
  },
  'host-path-missing': {
    title: 'a hostPath of a type that is not there is an error that names the path, and nothing is left',
    run: async (t) => {
      const path = `${await t.host.makeDirectory()}/missing`;
      const pod = t.pod([{ command: sleepForever() }], {
        volumes: [{ name: 'data', hostPath: { path, type: 'Directory' } }],
        hostNetwork: true,
      });
      const error = await t.rejects(t.runPod(pod), 'not-found');
      assert.ok(error.message.includes(path));
      assert.deepEqual(await t.service.listPodSandboxes({ podUid: pod.metadata.uid }), []);
    },
  },
  'bad-manifest': {
    title: 'a manifest with an unknown field or a wrong value is refused, naming each',
    run: async (t) => {
      const pod = t.pod([{ command: sleepForever() }]);
      const spec = { ...pod.spec, restartPolicy: 'Sometimes', unheardOf: 1 };
      const wrong: unknown = { ...pod, spec };
      const error = await t.rejects(
        (async () => t.runtime.runPod(wrong as typeof pod))(),
        'invalid-manifest',
      );
      assert.match(error.message, /restartPolicy/);
      assert.match(error.message, /unheardOf/);
      assert.deepEqual(await t.runtime.getPods({ all: true, namespace: t.namespace }), []);
    },
  },
  restarts: {
    title: 'with restartPolicy Always a container that ends is run again, and counted',
    run: async (t) => {
      const path = await t.host.makeDirectory();
      const command = script('echo x >> /data/runs; [ $(wc -l < /data/runs) -lt 2 ] && exit 5; sleep 100000');
      const pod = t.pod([{ command, volumeMounts: [{ name: 'data', mountPath: '/data' }] }], {
        volumes: [{ name: 'data', hostPath: { path } }],
        hostNetwork: true,
        restartPolicy: 'Always',
      });
      const { uid } = await t.runPod(pod);
      const isAgain = (count: number | undefined) => count === 1;
      const { containers, phase } = await t.podStatus(
        uid,
        (status) => isAgain(status.containers[0]?.restartCount) && status.containers[0]?.state === 'running',
        'runs again',
      );
      assert.equal(phase, 'Running');
      assert.deepEqual(
        containers[0]?.attempts.map(({ exitCode }) => exitCode),
        [5, undefined],
      );
    },
  },
});
