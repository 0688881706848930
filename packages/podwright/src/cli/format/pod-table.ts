import type { PodContainer, PodSummary } from '@podwright/core';
import { formatAge } from './quantities.js';
import { formatTable } from './table.js';

/** Pods for people, a line each. */
export function formatPods(pods: readonly PodSummary[], nowMs: number): string {
  return formatTable([
    ['NAMESPACE', 'NAME', 'READY', 'STATUS', 'RESTARTS', 'IP', 'AGE', 'UID'],
    ...pods.map((pod) => [
      pod.namespace,
      pod.name,
      readyOf(pod),
      podStatusWord(pod),
      String(pod.containers.reduce((sum, { restartCount }) => sum + restartCount, 0)),
      pod.ips[0] ?? '-',
      formatAge(nowMs - pod.createdAtMs),
      pod.uid,
    ]),
  ]);
}

function readyOf({ containers }: PodSummary): string {
  const apps = containers.filter(({ kind }) => kind === 'app');
  return `${apps.filter(({ ready }) => ready).length}/${apps.length}`;
}

/** The phase, or what is more telling, as kubectl shows it: `CrashLoopBackOff`, `Init:0/2`, `Completed`, `Error`. */
export function podStatusWord({ phase, containers }: PodSummary): string {
  const inits = containers.filter(({ kind }) => kind === 'init');
  const apps = containers.filter(({ kind }) => kind === 'app');
  const failedInit = inits.find((init) => isAtEnd(init) && !init.ready);
  if (failedInit) return `Init:${endWord(failedInit)}`;
  if (phase === 'Pending' && inits.some(({ ready }) => !ready)) {
    return `Init:${inits.filter(({ ready }) => ready).length}/${inits.length}`;
  }
  const reason = apps.find(({ state, reason }) => state === 'waiting' && reason !== undefined)?.reason;
  if (reason !== undefined) return reason;
  if (phase === 'Succeeded') return 'Completed';
  const failed = apps.find((app) => isAtEnd(app) && !endedWell(app));
  return phase === 'Failed' && failed ? endWord(failed) : phase;
}

function isAtEnd({ state }: PodContainer): boolean {
  return state === 'exited';
}

function endedWell({ attempts }: PodContainer): boolean {
  return attempts.at(-1)?.exitCode === 0;
}

function endWord({ attempts }: PodContainer): string {
  const last = attempts.at(-1);
  return last?.reason ?? (last?.exitCode === undefined ? 'Error' : `ExitCode:${last.exitCode}`);
}
