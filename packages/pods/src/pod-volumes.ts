import {
  type CallOptions,
  type ConfigObject,
  type PodRecord,
  PodStore,
  PodwrightError,
  parseConfigObject,
  type Volume,
  type VolumeFile,
  VolumeProvider,
  volumeFiles,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { NodeFacts } from './node-facts.js';

/** The volumes of pods, and what is in those that are made of ConfigMaps, Secrets and fields. */
@injectable()
export class PodVolumes {
  constructor(
    @inject(VolumeProvider) private readonly provider: VolumeProvider,
    @inject(PodStore) private readonly store: PodStore,
    @inject(NodeFacts) private readonly node: NodeFacts,
  ) {}

  /**
   * Content of the volumes that are made of objects, by volume name.
   * @throws PodwrightError as `volumeFiles`
   */
  async files(record: PodRecord): Promise<ReadonlyMap<string, readonly VolumeFile[]>> {
    const contents = await this.contents(record);
    return new Map(
      record.manifest.spec.volumes.flatMap((volume) => {
        const files = contents(volume);
        return files === undefined ? [] : [[volume.name, files] as const];
      }),
    );
  }

  /**
   * Makes what is missing, and gives the volumes made of objects their present content.
   * @returns the path on the backend's host for each volume name
   * @throws PodwrightError as `VolumeProvider.setUp` and `files`
   */
  async setUp(record: PodRecord, options: CallOptions): Promise<ReadonlyMap<string, string>> {
    const files = await this.files(record);
    return await this.provider.setUp(record.manifest, {
      ...options,
      files,
    });
  }

  /**
   * Remembers new objects of a pod and gives its volumes their content. Nothing is changed when one of them is wrong.
   * @throws PodwrightError kind `not-found` (a key that a volume needs), `failed-precondition` (an immutable object would
   *   change), `invalid-argument` (an object of another namespace)
   */
  async update(
    record: PodRecord,
    objects: readonly ConfigObject[],
    options: CallOptions = {},
  ): Promise<void> {
    const updated = { ...record, objects: withObjects(record, objects) };
    await this.files(updated);
    // First, so that a container that is started from now on has the new ones; a call that ends in between is made again.
    await this.store.put(updated);
    await this.refresh(updated, options);
  }

  /**
   * Gives the volumes that are there the content that the record says. One of which the content cannot be made keeps what
   * it has: whoever starts a container with it is told why.
   */
  async refresh(record: PodRecord, options: CallOptions): Promise<void> {
    const { manifest } = record;
    const contents = await this.contents(record);
    for (const volume of manifest.spec.volumes) {
      try {
        const files = contents(volume);
        if (files !== undefined) await this.provider.update(manifest, volume.name, files, options);
      } catch (error) {
        // An object is missing, or the volume is not made yet: it will be with this content.
        if (!PodwrightError.is(error, 'not-found')) throw error;
      }
    }
  }

  private async contents({
    manifest,
    objects = [],
  }: PodRecord): Promise<(volume: Volume) => readonly VolumeFile[] | undefined> {
    const capacity = await this.node.capacity();
    return (volume) => volumeFiles(manifest, volume, objects, { capacity });
  }
}

/** Checked, also for callers without types. @throws PodwrightError kind `invalid-manifest`, `invalid-argument` */
export function objectsOf(namespace: string, objects: readonly ConfigObject[]): readonly ConfigObject[] {
  const parsed = objects.map(parseConfigObject);
  const stranger = parsed.find(({ metadata }) => metadata.namespace !== namespace);
  if (stranger === undefined) return parsed;
  const { kind, metadata } = stranger;
  throw new PodwrightError(
    'invalid-argument',
    `The ${kind} ${metadata.namespace}/${metadata.name} is of another namespace than the pod's, ${namespace}, which cannot ` +
      'use it: leave it out.',
    { details: { kind, namespace: metadata.namespace, name: metadata.name } },
  );
}

/**
 * The pod's objects with others in the place of those of the same kind and name.
 * @throws PodwrightError as `PodVolumes.update`
 */
export function withObjects(
  { namespace, objects: before = [] }: Pick<PodRecord, 'namespace' | 'objects'>,
  objects: readonly ConfigObject[],
): readonly ConfigObject[] {
  const after = new Map(before.map((object) => [nameOf(object), object]));
  for (const object of objectsOf(namespace, objects)) {
    checkChange(after.get(nameOf(object)), object);
    after.set(nameOf(object), object);
  }
  return [...after.values()];
}

function nameOf({ kind, metadata }: ConfigObject): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}

function checkChange(before: ConfigObject | undefined, after: ConfigObject): void {
  if (before?.immutable !== true) return;
  if (after.immutable === true && contentOf(before) === contentOf(after)) return;
  throw new PodwrightError(
    'failed-precondition',
    `The ${nameOf(before)} is immutable and cannot be changed: give it another name, and change the pod to use that.`,
    { details: { kind: before.kind, namespace: before.metadata.namespace, name: before.metadata.name } },
  );
}

/** To be compared; the order of the keys has no meaning. */
function contentOf(object: ConfigObject): string {
  const maps = object.kind === 'ConfigMap' ? [object.data, object.binaryData] : [object.data];
  return JSON.stringify(maps.map((map) => Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))));
}
