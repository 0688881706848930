// An agent that runs in a container of a pod: does on the host all that a node agent does there, and tells each step
// on standard output, a JSON document in each line. It ends with 0 when all of it was done.
// node agent-in-container.mjs '{"config": …, "folder": …, "image": …}'
import { access } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { ContainerRuntime, parsePod } from '@podwright/core';
import { Mounter, Nsenter } from '@podwright/nsenter';
import { createContainer } from 'podwright';

const { config, folder, image } = JSON.parse(process.argv[2]);
const say = (step, fields = {}) => console.log(JSON.stringify({ step, ...fields }));
const isHere = (path) =>
  access(path).then(
    () => true,
    () => false,
  );

async function work() {
  const programs = ['crun', 'runc', 'conmon', 'skopeo', 'journalctl', 'containers-storage', 'perl'];
  const directories = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];
  const found = [];
  for (const path of [
    ...programs.flatMap((name) => directories.map((d) => `${d}/${name}`)),
    '/usr/lib/cni',
    '/opt/cni/bin',
  ]) {
    if (await isHere(path)) found.push(path);
  }
  say('lacks', { found });

  const container = await createContainer(config);
  const nsenter = container.get(Nsenter);
  await nsenter.start();
  const mounter = container.get(Mounter);
  const target = `${folder}/mounted`;
  await mounter.mount('tmpfs', target, 'tmpfs', ['size=1m', 'nosuid']);
  say('mounted', { isMountPoint: await mounter.isMountPoint(target) });
  say('resolved', { path: await nsenter.evalSymlinks(`${folder}/link`, { mustExist: true }) });

  try {
    await runPods(container.get(ContainerRuntime));
  } finally {
    await mounter.unmount(target);
    say('unmounted', { isMountPoint: await mounter.isMountPoint(target) });
  }
}

async function runPods(runtime) {
  await runtime.start();
  const status = await runtime.status();
  say('status', { conditions: status.conditions.filter(({ status: fine }) => !fine) });
  const pod = parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: [
            'sh',
            '-c',
            'mkdir /www; echo page > /www/index.html; echo serving; exec httpd -f -p 8080 -h /www',
          ],
          env: [{ name: 'GREETING', value: 'hello' }],
        },
      ],
    },
  });
  const { uid } = await runtime.runPod(pod);
  say('running', { phase: (await runtime.getPodStatus({ uid })).phase });
  for await (const { line } of runtime.getContainerLogs({ uid }, { follow: true })) {
    say('log', { line: line.toString() });
    break;
  }
  // The server says that it serves before it does.
  const listens = 'until grep -q ":1F90 " /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done';
  const result = await runtime.runInContainer({ uid }, [
    'sh',
    '-c',
    `${listens}; echo "$GREETING"; cat /proc/1/comm; exit 3`,
  ]);
  say('command', { output: result.stdout.toString(), exitCode: result.exitCode });
  const session = await runtime.execInContainer({ uid }, { command: ['tty'], tty: true, stdin: true });
  say('terminal', { output: await text(session.stdout), exitCode: await session.exitCode });
  const connection = await runtime.portForward({ uid }, 8080);
  connection.end('GET /index.html HTTP/1.0\r\n\r\n');
  say('forwarded', { answer: await text(connection) });
  await runtime.removePod({ uid });
  say('removed', { pods: (await runtime.getPods({ all: true })).length });

  await runtime[Symbol.asyncDispose]();
}

try {
  await work();
  say('done');
} catch (error) {
  say('failed', { kind: error.kind, message: error.message, stack: error.stack, details: error.details });
  process.exitCode = 1;
}
