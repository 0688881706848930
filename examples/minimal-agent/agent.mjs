// A node agent in thirty lines: it runs a pod, follows its logs until it has ended, and says how it ended.
import { parseArgs } from 'node:util';
import { parsePod } from '@podwright/core';
import { createRuntime } from 'podwright';

const text = (byDefault) => ({ type: 'string', default: byDefault });
const { values } = parseArgs({ options: { backend: text('memory'), image: text('busybox:1.36') } });
const backendOptions = {
  memory: { registry: { images: [{ reference: values.image }] } },
  systemd: { insecureRegistries: ['127.0.0.1:5000'] },
};

const runtime = await createRuntime({
  backend: values.backend,
  backendOptions: backendOptions[values.backend],
});
await runtime.start();
const command = ['sh', '-c', 'for i in 1 2 3; do echo "line $i"; sleep 0.2; done; exit 7'];
const pod = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'counter' },
  spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: values.image, command }] },
});
const { uid } = await runtime.runPod(pod);
for await (const { line } of runtime.getContainerLogs({ uid }, { follow: true })) console.log(`${line}`);
const { phase, containers } = await runtime.getPodStatus({ uid });
console.log(`${phase}, exit code ${containers[0].attempts.at(-1).exitCode}`);
await runtime.removePod({ uid });
await runtime[Symbol.asyncDispose]();
