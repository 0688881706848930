// The main job of Podwright, shown: pull an image, run a pod of two containers, look at it, talk to it, end it.
// node test/demo/story.mjs --backend systemd|memory
import { strict as assert } from 'node:assert';
import { parseArgs } from 'node:util';
import { parsePod, toApiPodStatus } from '@podwright/core';
import { createRuntime } from 'podwright';

const IMAGE = '127.0.0.1:5000/podwright/web:1';
const UID = '7f1a5a30-0d0c-4c56-9d3e-6b6f2f9b4d10';

const { values } = parseArgs({ options: { backend: { type: 'string', default: 'systemd' } } });
/** What each backend has to know beside its name: this and nothing else differs. */
const backendOptions = {
  systemd: { insecureRegistries: ['127.0.0.1:5000'] },
  memory: { registry: { images: [{ reference: IMAGE, config: { Cmd: ['httpd', '-f', '-p', '8080'] } }] } },
};

const pod = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'hello', uid: UID, labels: { app: 'hello' } },
  spec: {
    terminationGracePeriodSeconds: 2,
    volumes: [{ name: 'pages', emptyDir: {} }],
    containers: [
      {
        name: 'web',
        image: IMAGE,
        imagePullPolicy: 'IfNotPresent',
        command: ['httpd', '-f', '-p', '8080', '-h', '/pages'],
        ports: [{ containerPort: 8080 }],
        volumeMounts: [{ name: 'pages', mountPath: '/pages', readOnly: true }],
      },
      {
        name: 'writer',
        image: IMAGE,
        imagePullPolicy: 'IfNotPresent',
        command: [
          'sh',
          '-c',
          'echo "$GREETING" > /pages/index.html; echo written; trap "exit 0" TERM; sleep 1000 & wait',
        ],
        env: [{ name: 'GREETING', value: 'Hello from a pod.' }],
        volumeMounts: [{ name: 'pages', mountPath: '/pages' }],
      },
    ],
  },
});

function step(title) {
  console.log(`\n== ${title}`);
}

function show(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  for (const row of rows)
    console.log(
      `  ${row
        .map((cell, i) => String(cell).padEnd(widths[i]))
        .join('  ')
        .trimEnd()}`,
    );
}

const runtime = await createRuntime({
  backend: values.backend,
  backendOptions: backendOptions[values.backend],
});
const eventReasons = [];
runtime.events.subscribe((event) => eventReasons.push(event.reason));
await runtime.start();
const version = await runtime.version();
const parts = Object.entries(version.components).map(([name, text]) => `${name} ${text}`);
console.log(`Podwright on the backend "${runtime.type}" (${parts.join(', ') || 'no parts'})`);
for (const { type, status, message } of (await runtime.status()).conditions) {
  console.log(`  ${type}: ${status ? 'yes' : `no, ${message}`}`);
}

try {
  step(`Pull ${IMAGE} from the registry on loopback`);
  await runtime.pullImage(IMAGE).forEach((event) => {
    if (event.type === 'layer' && event.state !== 'downloading') {
      console.log(`  layer ${event.digest.slice(7, 19)} ${event.state}`);
    }
    if (event.type === 'done')
      console.log(`  image ${event.image.id.slice(7, 19)}, ${event.image.sizeBytes} bytes`);
  });

  step('Run a pod of two containers that share a volume');
  const started = performance.now();
  const { uid, ips } = await runtime.runPod(pod);
  console.log(
    `  ${pod.metadata.namespace}/${pod.metadata.name} runs after ${Math.round(performance.now() - started)} ms, address ${ips[0]}`,
  );

  step('Its status');
  const status = await runtime.getPodStatus({ uid });
  show([
    ['CONTAINER', 'STATE', 'RESTARTS', 'ID'],
    ...status.containers.map(({ name, state, restartCount, id }) => [
      name,
      state,
      restartCount,
      `${id.slice(0, 22)}…`,
    ]),
  ]);
  const api = toApiPodStatus(pod, status);
  console.log(
    `  as Kubernetes says it: phase ${api.phase}, ${api.conditions.map((c) => `${c.type}=${c.status}`).join(' ')}`,
  );
  assert.equal(api.phase, 'Running');

  step('Logs of "writer"');
  for await (const entry of runtime.getContainerLogs({ uid, container: 'writer' }, { follow: true })) {
    console.log(`  ${new Date(entry.timestampUs / 1000).toISOString()} ${entry.stream}: ${entry.line}`);
    if (String(entry.line) === 'written') break;
  }

  step('A command in "web"');
  const ls = await runtime.runInContainer({ uid, container: 'web' }, [
    'sh',
    '-c',
    'cat /pages/index.html; exit 3',
  ]);
  console.log(`  exit code ${ls.exitCode}, output: ${String(ls.stdout).trim()}`);
  assert.equal(ls.exitCode, 3);

  step('Port 8080 of the pod, through port-forward');
  const answer = await get(await runtime.portForward({ uid }, 8080));
  console.log(`  ${answer.split('\r\n')[0]} … ${answer.split('\r\n\r\n')[1]?.trim()}`);
  assert.match(answer, /Hello from a pod\./);

  step('Kill it');
  await runtime.killPod({ uid });
  for (const { name, attempts } of (await runtime.getPodStatus({ uid })).containers) {
    const last = attempts.at(-1);
    console.log(
      `  ${name}: exit code ${last.exitCode}, ${last.reason}, after ${last.finishedAtMs - last.startedAtMs} ms`,
    );
  }
  assert.deepEqual(await runtime.getPods(), []);

  step('Collect the garbage');
  const policy = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };
  const { removed, errors } = await runtime.garbageCollect(policy, { allSourcesReady: true });
  for (const each of removed) console.log(`  removed ${each}`);
  assert.deepEqual(errors, []);
} finally {
  await runtime.removePod({ uid: UID });
  await runtime.removeImage(IMAGE);
  assert.deepEqual(await runtime.getPods({ all: true }), []);
  await runtime[Symbol.asyncDispose]();
}
console.log(`\nEvents on the way: ${eventReasons.join(' ')}`);

/** A request of HTTP/1.0 over a connection, and the whole answer. */
async function get(connection) {
  connection.write('GET / HTTP/1.0\r\n\r\n');
  const chunks = [];
  for await (const chunk of connection) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
