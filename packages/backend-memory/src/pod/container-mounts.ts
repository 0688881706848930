import { anonymousVolumes, type ContainerConfig, type Mount, PodwrightError } from '@podwright/core';
import type { FileMount } from '../machine/container-files.js';
import { FileError, type FileNode, FileTree } from '../machine/file-tree.js';
import type { ImageContent } from '../store/image-store.js';

/**
 * What is mounted in one attempt of a container: volumes that its image declares, each with the image's files, and those
 * of its configuration.
 * @throws PodwrightError kind `container-start-failed`
 */
export function containerMounts(
  { mounts, metadata }: ContainerConfig,
  image: ImageContent,
  hostFiles: FileTree,
): readonly FileMount[] {
  const declared = anonymousVolumes(image.config, mounts).map((containerPath) => {
    const volume = new FileTree();
    const content = new FileTree(image.root).find(containerPath);
    if (content?.kind === 'directory') volume.copyFrom(content);
    return { containerPath, node: volume.root, readOnly: false };
  });
  return [...declared, ...mounts.map((mount) => fileMount(mount, metadata.name, hostFiles))];
}

function fileMount(mount: Mount, container: string, hostFiles: FileTree): FileMount {
  const { hostPath, containerPath, readOnly = false, subPath, createHostPath } = mount;
  const volume = hostFiles.find(hostPath) ?? (createHostPath ? hostFiles.makeDirectory(hostPath) : undefined);
  const node = volume && subPath ? partOf(volume, subPath, container) : volume;
  if (!node) {
    throw new PodwrightError(
      'container-start-failed',
      `Container ${container} cannot start: ${hostPath} of its mount at ${containerPath} is not there.`,
    );
  }
  return { containerPath, node, readOnly };
}

/** What is at a path of a volume; made as a directory when it is missing. */
function partOf(volume: FileNode, subPath: string, container: string): FileNode {
  const failure = (why: string) =>
    new PodwrightError(
      'container-start-failed',
      `Container ${container} cannot start: the subPath ${subPath} cannot be mounted: ${why}.`,
    );
  if (volume.kind === 'file') throw failure('the volume is a file');
  const tree = new FileTree(volume);
  try {
    return tree.find(subPath) ?? tree.makeDirectory(subPath);
  } catch (error) {
    if (error instanceof FileError) throw failure(error.message);
    throw error;
  }
}
