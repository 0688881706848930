import type { FileNode } from './file-tree.js';

/** What a file or a directory with all below it holds. */
export interface NodeSize {
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

export function sizeOf(node: FileNode): NodeSize {
  if (node.kind === 'file') return { usedBytes: node.data.length, inodesUsed: 1 };
  const sizes = [...node.entries.values()].map(sizeOf);
  return {
    usedBytes: sizes.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
    inodesUsed: sizes.reduce((sum, { inodesUsed }) => sum + inodesUsed, 1),
  };
}
