import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Image, ImageFsInfo, OciImageConfig } from '@podwright/core';
import type { cri } from '@podwright/cri-api';

/** An image with its user: `username` where the image names one, else `uid`, which is 0 where it names nobody. */
export function toCriImage({
  id,
  repoTags,
  repoDigests,
  sizeBytes,
  uid = 0,
  username = '',
  pinned = false,
}: Image) {
  return {
    id,
    repoTags: [...repoTags],
    repoDigests: [...shownDigests(repoTags, repoDigests)],
    size: BigInt(sizeBytes),
    ...(username === '' ? { uid: { value: BigInt(uid) } } : { username }),
    pinned,
  } satisfies MessageInitShape<typeof cri.ImageSchema>;
}

/**
 * An image out of a list of manifests has two digests. Where it was pulled by one of them, that is what it is called, as
 * containerd and docker tell it; the backend has it first.
 */
function shownDigests(repoTags: readonly string[], repoDigests: readonly string[]): readonly string[] {
  const tagged = new Set(repoTags.map((name) => name.slice(0, name.lastIndexOf(':'))));
  const seen = new Set<string>();
  return repoDigests.filter((name) => {
    const repository = name.slice(0, name.indexOf('@'));
    const isFirst = !seen.has(repository);
    seen.add(repository);
    return isFirst || tagged.has(repository);
  });
}

/**
 * What `verbose` tells of an image: JSON under `info`, with the names that CRI-O and containerd have in it.
 * @param config absent where the backend does not tell it
 */
export function toImageInfo({ labels }: Image, config: OciImageConfig | undefined): Record<string, string> {
  return { info: JSON.stringify({ labels, ...(config === undefined ? {} : { imageSpec: config }) }) };
}

/**
 * Containers are told to be on the file system of the images: a kubelet fails without theirs, and takes another one for
 * a layout of disks that has to be collected apart.
 */
export function toCriImageFsInfo(
  { mountpoint, usedBytes, inodesUsed }: ImageFsInfo,
  timestamp: bigint,
): MessageInitShape<typeof cri.ImageFsInfoResponseSchema> {
  const usage = {
    timestamp,
    fsId: { mountpoint },
    usedBytes: { value: BigInt(usedBytes) },
    inodesUsed: { value: BigInt(inodesUsed) },
  };
  return { imageFilesystems: [usage], containerFilesystems: [usage] };
}
