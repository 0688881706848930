import { isAbsolute } from 'node:path';
import { PodwrightError, parseImageReference, type StringMap } from '@podwright/core';
import { parsePort } from './parse-numbers.js';

/** Flags of `podwright run IMAGE`. */
export interface RunImageFlags {
  readonly name?: string;
  readonly namespace?: string;
  readonly label?: StringMap;
  readonly env?: StringMap;
  readonly publish?: readonly string[];
  readonly volume?: readonly string[];
  readonly network?: string;
  readonly restart?: string;
}

/** Whether an argument of `run` is a manifest: `-`, or a path by its end or its beginning. */
export function looksLikeFile(text: string): boolean {
  return text === '-' || /\.(ya?ml|json)$/i.test(text) || /^\.{0,2}\//.test(text);
}

/** The manifest of a pod of one container, before it is checked. */
export function podOfFlags(image: string, args: readonly string[], flags: RunImageFlags): object {
  const { namespace, label, env = {}, publish = [], volume = [], network = 'pod', restart } = flags;
  if (network !== 'pod' && network !== 'host') {
    throw new PodwrightError('invalid-argument', `--network is "${network}": it has to be pod or host.`);
  }
  const name = flags.name ?? nameOfImage(image);
  const volumes = volume.map(parseVolume);
  const container = {
    name,
    image,
    ...(args.length === 0 ? {} : { args }),
    env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
    ports: publish.map(parsePublish),
    volumeMounts: volumes.map(({ mountPath, readOnly }, index) => ({
      name: `volume-${index}`,
      mountPath,
      readOnly,
    })),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: label },
    spec: {
      hostNetwork: network === 'host',
      restartPolicy: restart,
      containers: [container],
      volumes: volumes.map(({ hostPath }, index) => ({
        name: `volume-${index}`,
        hostPath: { path: hostPath },
      })),
    },
  };
}

/** The last part of an image's name, with what a pod's name cannot have replaced. */
function nameOfImage(image: string): string {
  const { repository } = parseImageReference(image);
  const last = repository.slice(repository.lastIndexOf('/') + 1);
  return last.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
}

/** `HOSTPORT:PORT`, with `/udp` after it if it is not TCP, and an address of the host before it if it is not all. */
function parsePublish(text: string): object {
  const match = /^(?:(\[[^\]]+\]|[\d.]+):)?(\d+):(\d+)(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (!match) {
    throw new PodwrightError(
      'invalid-argument',
      `--publish is "${text}": it has to read HOSTPORT:PORT, such as 8080:80, 127.0.0.1:8080:80 or 53:53/udp.`,
    );
  }
  const [, address, hostPort = '', containerPort = '', protocol = 'tcp'] = match;
  return {
    hostPort: parsePort(hostPort),
    containerPort: parsePort(containerPort),
    protocol: protocol.toUpperCase(),
    ...(address === undefined ? {} : { hostIP: address.replace(/^\[|\]$/g, '') }),
  };
}

function parseVolume(text: string): { hostPath: string; mountPath: string; readOnly: boolean } {
  const [hostPath = '', mountPath = '', mode, ...rest] = text.split(':');
  const isMode = mode === undefined || mode === 'ro' || mode === 'rw';
  if (!isAbsolute(hostPath) || !isAbsolute(mountPath) || !isMode || rest.length > 0) {
    throw new PodwrightError(
      'invalid-argument',
      `--volume is "${text}": it has to read HOSTPATH:PATH or HOSTPATH:PATH:ro, with absolute paths.`,
    );
  }
  return { hostPath, mountPath, readOnly: mode === 'ro' };
}
