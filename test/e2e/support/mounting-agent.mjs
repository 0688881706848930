// A process that mounts as it is told, to be killed or to be put into a container by tests. It runs from the build.
// A call is a line of standard input, {"method": …, "args": […]}; its answer a line of standard output,
// {"value": …} or {"error": {"kind": …, "message": …, "details": …}}, with the warnings so far.
// node mounting-agent.mjs '{"mode": "local"}'
import 'reflect-metadata';
import { createInterface } from 'node:readline';
import { Logger, silentLogger } from '@podwright/core';
import { Mounter, nsenterModule } from '@podwright/nsenter';
import { Container } from 'inversify';

const warnings = [];
const container = new Container();
container.bind(Logger).toConstantValue({
  ...silentLogger,
  warn: (message, fields) => warnings.push(`${message} ${JSON.stringify(fields)}`),
});
container.load(nsenterModule(JSON.parse(process.argv[2])));
const mounter = container.get(Mounter);

for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  const answer = await mounter[method](...args).then(
    (value) => ({ value }),
    ({ kind, message, details }) => ({ error: { kind, message, details } }),
  );
  console.log(JSON.stringify({ ...answer, warnings }));
}
