import {
  type CallOptions,
  type Image,
  type ImageService,
  type Pod,
  PodwrightError,
  type PullEvent,
  type VolumeProvider,
  type VolumeUsage,
} from '@podwright/core';
import { type Observable, of, throwError } from 'rxjs';

/** What a call of the backend may be made to do instead of its work: fail, or wait. */
type Hook = (call: string, subject: string, signal?: AbortSignal) => Promise<void> | void;

/** The images and the volumes of `FakeBackend`. */
export class FakeStores implements ImageService, VolumeProvider {
  readonly calls: string[] = [];
  readonly images = new Map<string, Image>();
  readonly registry = new Set(['busybox', 'web:1', 'init:1']);
  readonly volumes = new Map<string, Pod>();
  hook: Hook = () => undefined;

  pullImage(reference: string): Observable<PullEvent> {
    this.calls.push(`pullImage ${reference}`);
    if (!this.registry.has(reference)) {
      return throwError(() => new PodwrightError('image-not-found', `the registry has no ${reference}`));
    }
    const image: Image = {
      ...{ id: `sha256:${reference}`, repoTags: [reference], repoDigests: [] },
      ...{ sizeBytes: 1, labels: {} },
    };
    this.images.set(reference, image);
    return of<PullEvent[]>({ type: 'resolving', reference }, { type: 'done', image });
  }

  async imageStatus(reference: string): Promise<Image | undefined> {
    return this.images.get(reference);
  }

  async listImages(): Promise<readonly Image[]> {
    return [...this.images.values()];
  }

  async removeImage(reference: string): Promise<void> {
    this.images.delete(reference);
  }

  async loadImage(): Promise<readonly Image[]> {
    return [];
  }

  async imageFsInfo() {
    return { mountpoint: '/', usedBytes: 1, inodesUsed: 1, capacityBytes: 2, availableBytes: 1 };
  }

  async setUp(pod: Pod, options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    await this.note('setUp', pod.metadata.name, options.signal);
    this.volumes.set(pod.metadata.uid, pod);
    return new Map(pod.spec.volumes.map(({ name }) => [name, `/volumes/${name}`]));
  }

  async update(): Promise<void> {
    throw lacking('update of volumes');
  }

  async usage(): Promise<readonly VolumeUsage[]> {
    return [];
  }

  async tearDown(podUid: string): Promise<void> {
    await this.note('tearDown', podUid);
    this.volumes.delete(podUid);
  }

  protected async note(call: string, subject: string, signal?: AbortSignal): Promise<void> {
    this.calls.push(`${call} ${subject}`);
    await this.hook(call, subject, signal);
  }
}

/** What a backend says that has not what it is asked for. */
export function lacking(what: string): PodwrightError {
  return new PodwrightError('unsupported', `This backend has no ${what}: look at its features.`);
}
