import type { PullEvent } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import type { StoredLayer } from './image-store.js';
import { digestsOf, PullProgress } from './pull-progress.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const stored = (letters: string): StoredLayer[] =>
  [...letters].map((letter) => ({ id: letter, compressedDigest: digest(letter), sizeBytes: 1, used: true }));
const short = (events: readonly PullEvent[]) =>
  events.map((event) =>
    event.type === 'layer' ? `${event.digest.at(-1)} ${event.state} ${event.totalBytes}` : event.type,
  );

describe('PullProgress', () => {
  it('tells each layer from what the store holds and what skopeo prints', () => {
    const progress = new PullProgress([
      { digest: digest('a'), size: 1 },
      { digest: digest('b'), size: 2 },
      { digest: digest('c') },
      { digest: digest('a'), size: 1 },
    ]);
    expect(short(progress.begin(stored('ax')))).toEqual(['a present 1']);
    expect(progress.line('Getting image source signatures')).toEqual([]);
    expect(progress.line(`Copying blob ${digest('a')}`)).toEqual([]);
    expect(short(progress.line(`Copying blob ${digest('b')}`))).toEqual(['b downloading 2']);
    expect(short(progress.line(`Copying blob ${digest('c')}`))).toEqual(['c downloading undefined']);
    expect(short(progress.stored(stored('ab')))).toEqual(['b done 2']);
    expect(progress.stored(stored('ab'))).toEqual([]);
    expect(short(progress.line(`Copying config ${digest('0')}`))).toEqual(['c done undefined', 'storing']);
    expect(progress.line('Writing manifest to image destination')).toEqual([]);
  });

  it('follows skopeo when the manifest told no layers', () => {
    const progress = new PullProgress([]);
    expect(short(progress.line(`Copying blob ${digest('b')}`))).toEqual(['b downloading undefined']);
    expect(short(progress.line('Writing manifest to image destination'))).toEqual([
      'b done undefined',
      'storing',
    ]);
  });
});

describe('digestsOf', () => {
  it('has the digests of blob and tar file', () => {
    const layer = { id: 'l', sizeBytes: 0, used: false };
    expect([...digestsOf([{ ...layer, compressedDigest: 'c', diffDigest: 'd' }, layer])]).toEqual(['c', 'd']);
  });
});
