import type { PullEvent } from '@podwright/core';
import { formatBytes } from './quantities.js';

const BAR_WIDTH = 24;

interface Layer {
  readonly state: 'downloading' | 'done' | 'present';
  readonly totalBytes: number;
}

/** What is known of a pull so far. */
export class PullProgress {
  readonly layers = new Map<string, Layer>();
  step = 'resolving';

  add(event: PullEvent): void {
    if (event.type === 'layer') {
      const totalBytes = event.totalBytes ?? this.layers.get(event.digest)?.totalBytes ?? 0;
      this.layers.set(event.digest, { state: event.state, totalBytes });
      this.step = 'pulling';
    } else {
      this.step = event.type;
    }
  }
}

/** `pulling [######------] 2/4 layers  12.3 MB of 40 MB`, cut to the terminal's width. */
export function progressLine({ layers, step }: PullProgress, columns: number): string {
  const all = [...layers.values()];
  const ready = all.filter(({ state }) => state !== 'downloading');
  const [readyBytes, allBytes] = [sizeOf(ready), sizeOf(all)];
  // Layers of which the manifest tells no size count by number.
  const share = allBytes > 0 ? readyBytes / allBytes : all.length > 0 ? ready.length / all.length : 0;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}]`;
  const bytes = allBytes > 0 ? `  ${formatBytes(readyBytes)} of ${formatBytes(allBytes)}` : '';
  return `${step} ${bar} ${ready.length}/${all.length} layers${bytes}`.slice(0, Math.max(1, columns - 1));
}

/** An event as a line of its own; undefined for one that tells nothing new. */
export function pullLine(event: PullEvent): string | undefined {
  switch (event.type) {
    case 'resolving':
      return `Resolving ${event.reference}`;
    case 'layer': {
      const size = event.totalBytes === undefined ? '' : ` (${formatBytes(event.totalBytes)})`;
      return `Layer ${event.digest.replace(/^sha256:/, '').slice(0, 12)}: ${event.state}${size}`;
    }
    case 'storing':
      return 'Storing';
    case 'done':
      return undefined;
  }
}

function sizeOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
}
