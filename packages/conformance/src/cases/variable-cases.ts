import assert from 'node:assert/strict';
import { filter, firstValueFrom } from 'rxjs';
import { section } from '../conformance-case.js';
import { configMap, outputOf, secret } from '../volume-pods.js';
import { script, sleepForever } from '../workloads.js';

/** Variables of containers that have their values from elsewhere. */
export const variableCases = section('volumes', {
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
