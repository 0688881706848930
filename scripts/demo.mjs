// npm run demo: set-up, then the story of test/demo/story.mjs on a host with systemd, and a look at what it left.
//
//   npm run demo                        on systemd; on the memory backend where that is not possible, which says why
//   npm run demo -- --backend memory    on the memory backend
//   npm run demo -- --story FILE        another story: a program that gets `--backend NAME` and exits with 0
//
// Exit code 1: the story failed or left something, or (as root on Linux, and with CI=true) it was not the real thing.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findCgroups } from '../test/host/cgroups.mjs';
import { lastingLeftovers, takeSnapshot } from '../test/host/snapshot.mjs';
import { finish, REPOSITORY } from '../test/host/throwaway-host.mjs';
import { isRealRequired, whyNotReal, withRealHost } from './real-host.mjs';
import { setUpOrExit } from './setup.mjs';

const RUNNER = join(REPOSITORY, 'test/demo/run-story.mjs');
const TIMEOUT_MS = 120_000;

/** The story on the real thing. Returns the failures, as lines. */
async function tellOnSystemd(story) {
  // Inside the checkout, which the throw-away host sees at the same path.
  const report = join(REPOSITORY, 'node_modules/.cache/podwright-demo', `${process.pid}.json`);
  mkdirSync(dirname(report), { recursive: true });
  const ours = new RegExp(`podwright-host.demo-${process.pid}\\b`);
  const before = takeSnapshot(ours);
  const machineNamespaces = new Set(takeSnapshot().namespaces);
  try {
    const inside = await withRealHost('demo', async ({ shared, exec }) => {
      const args = [RUNNER, report, shared ? 'shared' : 'own', story, '--backend', 'systemd'];
      const { exitCode, timedOut } = await exec(process.execPath, args, { timeoutMs: TIMEOUT_MS });
      if (timedOut) return { failures: [`the story was ended after ${TIMEOUT_MS / 1000} s`], namespaces: [] };
      if (exitCode !== 0)
        return { failures: [`the story could not be run: exit code ${exitCode}`], namespaces: [] };
      const { exitCode: storyExit, left, namespaces } = JSON.parse(readFileSync(report, 'utf8'));
      const failed = storyExit === 0 ? [] : [`the story failed with exit code ${storyExit}`];
      return {
        failures: [...failed, ...left.map((each) => `left behind: ${each}`)],
        namespaces: shared ? [] : namespaces,
      };
    });
    const left = await lastingLeftovers(before, { only: ours, timeoutMs: 5000 });
    const hostNamespaces = new Set(inside.namespaces.filter((each) => !machineNamespaces.has(each)));
    const alive = takeSnapshot().namespaces.filter((each) => hostNamespaces.has(each));
    const cgroups = findCgroups(`podwright-host-demo-${process.pid}`);
    return [
      ...inside.failures,
      ...[
        ...left,
        ...alive.map((each) => `namespace ${each}`),
        ...cgroups.map((each) => `cgroup ${each}`),
      ].map((each) => `left behind by the host: ${each}`),
    ];
  } finally {
    rmSync(report, { force: true });
  }
}

async function tellInMemory(story) {
  const child = spawn(process.execPath, [story, '--backend', 'memory'], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const { exitCode, timedOut } = await finish(child, { timeoutMs: TIMEOUT_MS }, () => child.kill('SIGKILL'));
  if (timedOut) return [`the story was ended after ${TIMEOUT_MS / 1000} s`];
  return exitCode === 0 ? [] : [`the story failed with exit code ${exitCode}`];
}

async function demo({ backend, story }) {
  if (backend === 'memory') return await tellInMemory(story);
  const missing = whyNotReal();
  if (missing === undefined) {
    const failures = await tellOnSystemd(story);
    if (failures.length === 0)
      console.log('demo: nothing is left: no unit, mount, namespace, process or network interface');
    return failures;
  }
  console.log(`demo: this is the memory backend, since ${missing}`);
  const failures = await tellInMemory(story);
  return isRealRequired() ? [...failures, 'this was not the real thing (see above)'] : failures;
}

function options() {
  try {
    const { values } = parseArgs({ options: { backend: { type: 'string' }, story: { type: 'string' } } });
    if (!['systemd', 'memory', undefined].includes(values.backend))
      throw new Error(`--backend is systemd or memory, not ${values.backend}`);
    return {
      backend: values.backend,
      story: resolve(values.story ?? join(REPOSITORY, 'test/demo/story.mjs')),
    };
  } catch (error) {
    console.error(`demo: ${error.message}`);
    process.exit(2);
  }
}

const chosen = options();
setUpOrExit();
const started = Date.now();
const failures = await demo(chosen).catch((error) => [error.message]);
for (const failure of failures) console.error(`demo: ${failure}`);
const seconds = ((Date.now() - started) / 1000).toFixed(1);
console.log(`demo: ${failures.length === 0 ? 'done' : 'FAILED'} after ${seconds} s`);
process.exitCode = failures.length === 0 ? 0 : 1;
