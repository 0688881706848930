// Benchmarks against a baseline measured in the same run, in turn. Runs on a host with systemd: npm run bench.
//
//   node test/bench/bench.mjs [--json] [--rounds N]
//
// Prints a table, or with --json an array of {name, oursMs, baselineMs, ratio, reach, holds}: medians in milliseconds;
// `holds` when the ratio is not above `reach`.
//
// The baseline is a crun as anybody calls it, with the profile of system calls in its document. Our own containers are
// also given what crun has compiled of that profile before (docs/decisions/0027-compiled-seccomp.md). What that is worth
// is seen in the third line, where the baseline is given the same.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ContainerRuntime, parsePod } from '@podwright/core';
import { ImageStore } from '@podwright/images';
import { createContainer } from 'podwright';

const IMAGE = '127.0.0.1:5000/podwright/busybox:1';
const COMMAND = ['sleep', '1000'];

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '25' } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1');

/** Runs a command to its end without a shell; the container it leaves must not hold our pipes. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')}: ${code}`)),
    );
  });
}

async function timed(action) {
  const start = performance.now();
  const value = await action();
  return { ms: performance.now() - start, value };
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * A bundle that a bare crun runs: the image's layers mounted once, and the document that we make for such a container,
 * except for what its sandbox brings.
 * @param document config.json of one of our containers
 */
async function makeBundle(container, directory, document) {
  mkdirSync(directory);
  const { lowerDirs } = await container.get(ImageStore).resolve(IMAGE);
  const [root, upper, work] = ['root', 'upper', 'work'].map((name) => join(directory, name));
  for (const path of [root, upper, work]) mkdirSync(path);
  const options = `lowerdir=${lowerDirs.join(':')},upperdir=${upper},workdir=${work}`;
  await run('mount', ['-t', 'overlay', 'overlay', '-o', options, root]);
  const namespaces = document.linux.namespaces.map(({ type }) => ({ type }));
  const mounts = document.mounts.filter(({ type }) => type !== 'bind');
  const config = { ...document, root: { ...document.root, path: root }, mounts };
  config.linux = { ...document.linux, namespaces };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  return { unmount: () => run('umount', [root]) };
}

function hostNetworkPod() {
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `bench-${randomUUID()}` },
    spec: {
      hostNetwork: true,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: IMAGE, imagePullPolicy: 'Never', command: COMMAND }],
    },
  });
}

const directory = mkdtempSync('/var/lib/podwright/bench-');
const container = await createContainer({
  stateDir: join(directory, 'state'),
  runDir: '/run/podwright-bench',
  backendOptions: { insecureRegistries: ['127.0.0.1:5000'] },
});
const runtime = container.get(ContainerRuntime);
await runtime.start();
const bundleDirs = { plain: join(directory, 'bundle'), compiled: join(directory, 'bundle-compiled') };
const crun = ['--root=/run/podwright-bench-crun', '--cgroup-manager=disabled'];
const results = [];
const bundles = [];
let idle;
try {
  await runtime.ensureImage(IMAGE, 'IfNotPresent');
  // The second one, for which the filter was compiled by then.
  await ourDocument();
  const { annotations, ...document } = await ourDocument();
  bundles.push(await makeBundle(container, bundleDirs.plain, document));
  bundles.push(await makeBundle(container, bundleDirs.compiled, { ...document, annotations }));
  // A host that runs a pod already: what the first pod of a host makes beside its own is not measured.
  idle = await runtime.runPod(hostNetworkPod());
  const start = { ours: [], baseline: [] };
  const compiled = { ours: start.ours, baseline: [] };
  const exec = { ours: [], baseline: [] };
  // The first round warms the caches of both and is not counted.
  for (let round = -1; round < rounds; round++) {
    const pod = hostNetworkPod();
    const { uid } = pod.metadata;
    const id = `bench-${uid}`;
    const ours = await timed(() => runtime.runPod(pod));
    const baselineCompiled = await timed(() => bareStart(bundleDirs.compiled, `${id}-compiled`));
    await run('crun', [...crun, 'delete', '--force', `${id}-compiled`]);
    const baseline = await timed(() => bareStart(bundleDirs.plain, id));
    const oursExec = await timed(() => runtime.runInContainer({ uid }, ['true']));
    const baselineExec = await timed(() => run('crun', [...crun, 'exec', id, 'true']));
    await run('crun', [...crun, 'delete', '--force', id]);
    await runtime.removePod({ uid }, { graceMs: 0 });
    if (round < 0) continue;
    start.ours.push(ours.ms);
    start.baseline.push(baseline.ms);
    compiled.baseline.push(baselineCompiled.ms);
    exec.ours.push(oursExec.ms);
    exec.baseline.push(baselineExec.ms);
  }
  results.push(
    result(
      'start a pod of one container on the host network, image present / crun create and start',
      start,
      2,
    ),
    result('a command in a container, until its output is there / crun exec', exec, 4),
    result('the same start / crun create and start that are given the compiled filter too', compiled, 4),
  );
} finally {
  for (const bundle of bundles) await bundle.unmount();
  if (idle) await runtime.removePod(idle, { graceMs: 0 });
  await runtime.removeImage(IMAGE);
  await runtime[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
}

async function bareStart(bundleDir, id) {
  await run('crun', [...crun, 'create', '--bundle', bundleDir, id]);
  await run('crun', [...crun, 'start', id]);
}

/** The OCI document of a container as we run it. */
async function ourDocument() {
  const pod = hostNetworkPod();
  const { uid } = await runtime.runPod(pod);
  const [{ id }] = (await runtime.getPodStatus({ uid })).containers;
  const path = join(directory, 'state/containers', id.replace('systemd://', ''), 'bundle/config.json');
  const document = JSON.parse(readFileSync(path, 'utf8'));
  await runtime.removePod({ uid }, { graceMs: 0 });
  return document;
}

function result(name, { ours, baseline }, reach) {
  const [oursMs, baselineMs] = [ours, baseline].map((each) => Math.round(median(each) * 10) / 10);
  const ratio = Math.round((oursMs / baselineMs) * 100) / 100;
  return { name, oursMs, baselineMs, ratio, reach, holds: ratio <= reach };
}

if (values.json) console.log(JSON.stringify(results, undefined, 2));
else {
  for (const { name, oursMs, baselineMs, ratio, reach, holds } of results) {
    console.log(
      `${holds ? 'holds' : 'FAILS'}  ${ratio} times, at most ${reach}: ${oursMs} ms / ${baselineMs} ms  ${name}`,
    );
  }
  console.log(`medians of ${rounds}`);
}
if (results.some(({ holds }) => !holds)) process.exitCode = 1;
