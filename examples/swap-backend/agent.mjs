// The same agent on whatever backend its configuration file names.
// node agent.mjs CONFIG [IMAGE]
import { readFile } from 'node:fs/promises';
import { parsePod } from '@podwright/core';
import { createRuntime } from 'podwright';

const [file, image = 'docker.io/library/busybox:1.36'] = process.argv.slice(2);
if (file === undefined) throw new Error('Name a configuration file: memory.json or systemd.json.');

const runtime = await createRuntime(JSON.parse(await readFile(file, 'utf8')));
await runtime.start();
const pod = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'swap-backend' },
  spec: {
    terminationGracePeriodSeconds: 5,
    restartPolicy: 'Never',
    volumes: [{ name: 'shared', emptyDir: {} }],
    initContainers: [
      {
        name: 'prepare',
        image,
        command: ['sh', '-c', 'echo "Prepared for $WHOM." > /shared/greeting'],
        env: [{ name: 'WHOM', value: 'everybody' }],
        volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
      },
    ],
    containers: [
      {
        name: 'main',
        image,
        command: ['sh', '-c', 'trap "echo ending; exit 3" TERM; cat /shared/greeting; sleep 1000 & wait'],
        volumeMounts: [{ name: 'shared', mountPath: '/shared', readOnly: true }],
      },
    ],
  },
});

try {
  const { uid } = await runtime.runPod(pod);
  const main = { uid, container: 'main' };
  for (const { name, state } of (await runtime.getPodStatus({ uid })).containers) {
    console.log(`container ${name} is ${state}`);
  }
  for await (const { line } of runtime.getContainerLogs(main, { follow: true })) {
    console.log(`main says: ${line}`);
    break;
  }
  const { stdout, exitCode } = await runtime.runInContainer(main, ['cat', '/shared/greeting']);
  console.log(`a command in it prints "${String(stdout).trim()}" and ends with ${exitCode}`);
  await runtime.killPod({ uid });
  const { phase, containers } = await runtime.getPodStatus({ uid });
  const { exitCode: code, reason } = containers.find(({ name }) => name === 'main').attempts.at(-1);
  console.log(`killed: the pod is ${phase}, main ended with ${code} (${reason})`);
} finally {
  await runtime.removePod({ uid: pod.metadata.uid });
  await runtime[Symbol.asyncDispose]();
}
