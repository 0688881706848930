import type { ContainerUser } from '@podwright/core';
import type { cri } from '@podwright/cri-api';

/** What runtimes tell of a container when they are asked to be verbose. */
export interface ContainerInfo {
  readonly pid?: number;
  readonly user?: ContainerUser;
}

/** Reads the JSON that containerd and CRI-O give as `info`; newer ones tell the user in the status itself. */
export function containerInfo(response: cri.ContainerStatusResponse): ContainerInfo {
  const info = parse(response.info['info']);
  const pid = number(info?.['pid']);
  const told = response.status?.user?.linux;
  if (told) {
    const user = {
      uid: Number(told.uid),
      gid: Number(told.gid),
      supplementalGroups: told.supplementalGroups.map(Number),
    };
    return { ...(pid ? { pid } : {}), user };
  }
  const process = object(object(info?.['runtimeSpec'])?.['process']);
  const user = object(process?.['user']);
  const [uid, gid] = [number(user?.['uid']), number(user?.['gid'])];
  const groups: unknown = user?.['additionalGids'];
  return {
    ...(pid ? { pid } : {}),
    ...(uid === undefined || gid === undefined
      ? {}
      : {
          user: {
            uid,
            gid,
            supplementalGroups: Array.isArray(groups)
              ? groups.filter((each) => typeof each === 'number')
              : [],
          },
        }),
  };
}

export function parse(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    return text === undefined ? undefined : object(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
