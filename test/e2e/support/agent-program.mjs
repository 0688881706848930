// An agent as a process of its own, to be killed by tests: starts, runs the pods it is given, then follows the logs of
// one container, or removes all pods. It tells what it does on standard output, a JSON document in each line.
// node agent-program.mjs '{"config": …, "pods": […], "follow": {"name": …, "container": …}}'
import { createRuntime } from 'podwright';

const { config, pods, follow, removeAll } = JSON.parse(process.argv[2]);
const say = (type, fields = {}) => console.log(JSON.stringify({ type, ...fields }));

const runtime = await createRuntime(config);
runtime.events.subscribe(({ reason, object }) =>
  say('event', { reason, pod: object.name, field: object.fieldPath }),
);
await runtime.start();
say('started');
for (const pod of pods) {
  const { uid } = await runtime.runPod(pod);
  say('pod', { uid });
}
say('running', { pods: await runtime.getPods() });
if (removeAll) {
  say('removing');
  await Promise.all((await runtime.getPods()).map(({ uid }) => runtime.removePod({ uid }, { graceMs: 0 })));
}
if (follow) {
  for await (const { line, cursor } of runtime.getContainerLogs(follow, { follow: true })) {
    say('log', { line: line.toString(), cursor });
  }
}
