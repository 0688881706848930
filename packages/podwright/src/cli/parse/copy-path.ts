import { basename, posix } from 'node:path';
import { type ContainerRef, PodwrightError } from '@podwright/core';
import { parseContainerRef } from './pod-ref.js';

/** One side of a copy. */
export type CopyPath =
  | { readonly side: 'local'; readonly path: string }
  | { readonly side: 'pod'; readonly path: string; readonly container: ContainerRef };

export type CopyPlan =
  | {
      readonly direction: 'to-pod';
      readonly local: string;
      readonly container: ContainerRef;
      readonly path: string;
    }
  | {
      readonly direction: 'from-pod';
      readonly local: string;
      readonly container: ContainerRef;
      readonly path: string;
    };

interface CopyFlags {
  readonly namespace?: string;
  readonly container?: string;
}

/** A colon before any slash but that of `NAMESPACE/NAME` makes it a path in a pod; `./a:b` is a path here. */
const POD_PATH = /^((?:[^./:][^/:]*\/)?[^./:][^/:]*):(.*)$/s;
const UID_PATH = /^(uid:[^/:]+):(.*)$/s;

export function parseCopyPath(text: string, flags: CopyFlags): CopyPath {
  if (text === '-') {
    throw new PodwrightError(
      'invalid-argument',
      'cp copies files, and takes no archive by standard input or output: use podwright exec POD tar -c PATH, or exec -i ' +
        'POD tar -x. A file of the name "-" is ./-.',
    );
  }
  const [, pod, path] = UID_PATH.exec(text) ?? POD_PATH.exec(text) ?? [];
  if (pod === undefined || path === undefined) return { side: 'local', path: text };
  if (path === '') {
    throw new PodwrightError('invalid-argument', `"${text}" names no path: write POD:PATH.`);
  }
  return { side: 'pod', path, container: parseContainerRef(pod, flags) };
}

/** @throws PodwrightError kind `invalid-argument` unless one side is here and one in a pod */
export function planCopy(source: string, target: string, flags: CopyFlags): CopyPlan {
  const [from, to] = [parseCopyPath(source, flags), parseCopyPath(target, flags)];
  if (from.side === 'local' && to.side === 'pod') {
    return { direction: 'to-pod', local: from.path, container: to.container, path: to.path };
  }
  if (from.side === 'pod' && to.side === 'local') {
    return { direction: 'from-pod', local: to.path, container: from.container, path: from.path };
  }
  throw new PodwrightError(
    'invalid-argument',
    'One of the two paths has to be in a pod, written POD:PATH, and the other one here.',
  );
}

/** A path as the directory it lies in and the name in it. @throws PodwrightError kind `invalid-argument` for `..` and the like */
export function splitPodPath(path: string): { readonly directory: string; readonly name: string } {
  const normal = posix.normalize(path).replace(/(?<=.)\/+$/, '');
  const name = basename(normal);
  if (name === '' || name === '..' || normal === '.') {
    throw new PodwrightError('invalid-argument', `"${path}" does not end in a name: write it out.`);
  }
  return { directory: posix.dirname(normal), name };
}
