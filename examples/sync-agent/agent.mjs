// An agent that makes a pod be as a manifest says, again and again: what did not change runs on.
import { parseArgs } from 'node:util';
import { parsePod } from '@podwright/core';
import { createRuntime } from 'podwright';
import { exhaustMap, filter, firstValueFrom, timer } from 'rxjs';

const text = (byDefault) => ({ type: 'string', default: byDefault });
const { values } = parseArgs({ options: { backend: text('memory'), image: text('busybox:1.36') } });
const backendOptions = {
  memory: { registry: { images: [{ reference: values.image }] } },
  systemd: { insecureRegistries: ['127.0.0.1:5000'] },
};

/** Two containers: one that is ready a moment after its start, and one whose text changes. */
function manifest(greeting) {
  const base = { image: values.image, terminationMessagePolicy: 'FallbackToLogsOnError' };
  const forever = 'trap "exit 0" TERM; while true; do sleep 0.1; done';
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'synced', uid: 'synced' },
    spec: {
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          ...{ ...base, name: 'slow', command: ['sh', '-c', `sleep 1; touch /tmp/up; ${forever}`] },
          readinessProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1 },
        },
        {
          ...{ ...base, name: 'greeter', command: ['sh', '-c', `echo "$GREETING"; ${forever}`] },
          env: [{ name: 'GREETING', value: greeting }],
        },
      ],
    },
  });
}

const runtime = await createRuntime({
  backend: values.backend,
  backendOptions: backendOptions[values.backend],
});
await runtime.start();
const told = runtime.events
  .pipe(filter(({ reason }) => reason === 'Killing'))
  .subscribe(({ message }) => console.log(`event: ${message}`));

async function sync(greeting) {
  const { actions } = await runtime.syncPod(manifest(greeting));
  const lines = actions.map(({ action, container, error }) =>
    `${greeting}: ${action} ${container ?? ''}${error ? ` failed: ${error.message}` : ''}`.trim(),
  );
  // Containers are started at once: which one is done first is chance.
  for (const line of lines.sort()) console.log(line);
  if (actions.length === 0) console.log(`${greeting}: nothing to do`);
}

const pod = { uid: 'synced' };
await sync('Hello');
const isReady = ({ containers }) => containers.every(({ ready }) => ready);
await firstValueFrom(
  timer(0, 200).pipe(
    exhaustMap(() => runtime.getPodStatus(pod)),
    filter(isReady),
  ),
);
console.log('both are ready');
await sync('Hello');
await sync('Good bye');

const [usage] = await runtime.stats();
console.log(
  `statistics of ${usage.containers
    .map(({ name }) => name)
    .sort()
    .join(' and ')}`,
);
told.unsubscribe();
await runtime.removePod(pod);
await runtime[Symbol.asyncDispose]();
