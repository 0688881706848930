// Pods with volumes, and the objects that volumes and variables are made of.
import { type ConfigObject, type Pod, parseConfigObject } from '@podwright/core';
import type { CaseContext } from './case-context.js';
import { script } from './workloads.js';

export type Fields = Readonly<Record<string, unknown>>;

/** The ConfigMap `settings`. */
export function configMap(t: CaseContext, data: Fields, more: Fields = {}): ConfigObject {
  const metadata = { name: 'settings', namespace: t.namespace };
  return parseConfigObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data, ...more });
}

/** The Secret `keys`. */
export function secret(t: CaseContext, stringData: Fields): ConfigObject {
  const metadata = { name: 'keys', namespace: t.namespace };
  return parseConfigObject({ apiVersion: 'v1', kind: 'Secret', metadata, stringData });
}

/** A volume `c` of the ConfigMap `settings`. */
export const settings = { name: 'c', configMap: { name: 'settings' } };

/** A pod of one container that runs a script with volumes mounted below /v, each by its name. */
export function podWith(
  t: CaseContext,
  text: string,
  volumes: readonly Fields[],
  container: Fields = {},
): Pod {
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/v/${String(name)}` }));
  return t.pod([{ command: script(text), volumeMounts, ...container }], { hostNetwork: true, volumes });
}

/** Runs a pod to its end. @returns what its first container has written */
export async function outputOf(t: CaseContext, pod: Pod, objects: readonly ConfigObject[] = []) {
  const { uid } = await t.runPod(pod, { objects });
  const status = await t.podEnded(uid);
  const id = status.containers.find(({ kind }) => kind === 'app')?.id.replace(/^.*:\/\//, '') ?? '';
  return (await t.lines(id)).map(({ text }) => text);
}

/** What a script run in a pod's first container writes. */
export async function execIn(t: CaseContext, uid: string, text: string): Promise<string> {
  return (await t.runtime.runInContainer({ uid }, script(text))).stdout.toString();
}
