import { watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type ContainerRuntime, type Logger, messageOf } from '@podwright/core';
import { debounceTime, Observable, type Subscription } from 'rxjs';
import { decideStaticPods, hasEnded, type StaticAction, type StaticSync } from './decide-static-pods.js';
import { isManifestName, readStaticManifests, type StaticManifests } from './static-manifests.js';

export interface StaticPodAgentOptions {
  /** Directory of the manifests, one or more pods in each file. */
  readonly directory: string;
  /** The directory is looked at again after this time even if nothing was heard of it, in milliseconds. Default 20,000. */
  readonly rescanMs?: number;
}

/** Editors and copies write a file in several steps, in milliseconds. */
const SETTLE_MS = 200;
const RESCAN_MS = 20_000;

/** Makes a node be as a directory of manifests says, for as long as it runs; `syncPod` and `removePod` do the work. */
export class StaticPodAgent {
  private readonly done = new Map<string, string>();
  /** Pods that are worked on. */
  private readonly busy = new Map<string, Promise<void>>();
  /** Fires when the directory is to be looked at again. */
  private news = new AbortController();
  /** Errors that were told, by what they are about: told again only when they change. */
  private readonly told = new Map<string, string>();

  /** @param runtime started, with access `exclusive` */
  constructor(
    private readonly runtime: ContainerRuntime,
    private readonly options: StaticPodAgentOptions,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Resolves when the signal fires; pods run on. */
  async run(signal: AbortSignal): Promise<void> {
    const { rescanMs = RESCAN_MS } = this.options;
    let subscription = this.watch();
    try {
      while (!signal.aborted) {
        this.news = new AbortController();
        if (subscription.closed) subscription = this.watch();
        await this.look(signal);
        await this.clock.sleep(rescanMs, AbortSignal.any([signal, this.news.signal])).catch(() => undefined);
      }
    } finally {
      subscription.unsubscribe();
      await Promise.all(this.busy.values());
    }
  }

  /** Looks once at the directory and begins what has to be done; failures are logged. */
  private async look(signal: AbortSignal): Promise<void> {
    try {
      const manifests = await this.read();
      if (!manifests) return;
      const present = await this.runtime.getPods({ all: true }, { signal });
      for (const action of decideStaticPods({ manifests, present, done: this.done })) {
        if (this.busy.has(action.uid)) continue;
        // Side by side, and not waited for: a pod that takes long holds no other one up.
        const work = this.act(action, signal).then((isDone) => {
          this.busy.delete(action.uid);
          // What changed meanwhile, and what waited for this.
          if (isDone) this.news.abort();
        });
        this.busy.set(action.uid, work);
      }
    } catch (error) {
      if (!signal.aborted) this.tell('the node', `The manifests could not be applied: ${messageOf(error)}`);
    }
  }

  private async read(): Promise<StaticManifests | undefined> {
    const { directory } = this.options;
    const files = new Map<string, string | Error>();
    try {
      for (const name of (await readdir(directory)).filter(isManifestName)) {
        const text = await readFile(join(directory, name), 'utf8').catch((error: unknown) => asError(error));
        // Gone since it was listed.
        if (!(text instanceof Error && 'code' in text && text.code === 'ENOENT')) files.set(name, text);
      }
    } catch (error) {
      // Not taken for an empty one: a directory that is not mounted yet must not end all pods.
      this.tell(directory, `The directory ${directory} cannot be read: ${messageOf(error)}`);
      return undefined;
    }
    this.told.delete(directory);
    const manifests = readStaticManifests(files);
    for (const [file, error] of manifests.failures) {
      this.tell(file, `${join(directory, file)} is left out: ${messageOf(error)}`);
    }
    for (const file of files.keys()) if (!manifests.failures.has(file)) this.told.delete(file);
    return manifests;
  }

  private async act(action: StaticAction, signal: AbortSignal): Promise<boolean> {
    const { uid } = action;
    try {
      if (action.action === 'remove') {
        this.logger.info(`Removing ${action.name}: ${action.file} does not have it any more`, { uid });
        await this.runtime.removePod({ uid }, { signal });
        this.done.delete(uid);
        this.logger.info(`Removed ${action.name}`, { uid });
      } else {
        await this.apply(action, signal);
        this.done.set(uid, action.key);
      }
      this.told.delete(uid);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const what = action.action === 'remove' ? action.name : nameOf(action);
      this.tell(
        uid,
        `${what} could not be ${action.action === 'remove' ? 'removed' : 'synced'}: ${messageOf(error)}`,
      );
      return false;
    }
  }

  /** Actions that fail are tried again by the runtime, which keeps the pod up from here on. */
  private async apply(action: StaticSync, signal: AbortSignal): Promise<void> {
    const { uid, pod, changed, replaces } = action;
    const name = nameOf(action);
    if (replaces) {
      this.logger.info(`Removing ${name}: it has ended, and ${pod.file} says something else now`, { uid });
      await this.runtime.removePod({ uid }, { signal });
    }
    const { actions } = await this.runtime.syncPod(pod.pod, { objects: pod.objects, signal });
    // It ended after it was looked at.
    if (
      changed &&
      !replaces &&
      actions.length === 0 &&
      hasEnded(await this.runtime.getPodStatus({ uid }, { signal }))
    ) {
      return await this.apply({ ...action, replaces: true }, signal);
    }
    if (actions.length === 0) this.logger.info(`${name} is as ${pod.file} says`, { uid });
    for (const { action: what, container, message, error } of actions) {
      const words = `${name} ${what}${container === undefined ? '' : ` ${container}`}`;
      if (error) this.logger.error(`${words} failed, and is tried again: ${error.message}`, { uid });
      else this.logger.info(`${words}: ${message}`, { uid });
    }
  }

  private watch(): Subscription {
    const { directory } = this.options;
    const changes = new Observable<void>((subscriber) => {
      try {
        const watcher = watch(directory, { persistent: false }, () => subscriber.next());
        watcher.on('error', (error) => subscriber.error(error));
        return () => watcher.close();
      } catch (error) {
        subscriber.error(error);
        return;
      }
    });
    return changes.pipe(debounceTime(SETTLE_MS)).subscribe({
      next: () => this.news.abort(),
      // The directory is gone, or there are too many watches: the rescan goes on, and tries to watch again.
      error: (error: unknown) => this.logger.debug(`${directory} is not watched: ${messageOf(error)}`),
    });
  }

  private tell(about: string, message: string): void {
    if (this.told.get(about) === message) return;
    this.told.set(about, message);
    this.logger.error(message);
  }
}

function nameOf({ pod: { pod } }: StaticSync): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
