import { describe, expect, it } from 'vitest';
import { parseRecord, serializeRecord } from './container-record.js';
import { containerConfig, containerRecord, errorOf } from './testing.spec-helper.js';

describe('a container record', () => {
  it('comes back as it was written, without the environment', () => {
    const record = {
      ...containerRecord(),
      config: containerConfig({
        env: [{ name: 'PASSWORD', value: 'hunter2' }],
        labels: { ü: 'a\nb', '': 'c' },
      }),
    };
    const text = serializeRecord(record);
    expect(text).not.toContain('hunter2');
    expect(parseRecord(text, '/path')).toMatchObject({ ...record, config: { ...record.config, env: [] } });
  });

  const good = JSON.parse(serializeRecord(containerRecord())) as Record<string, unknown>;
  it.each<[string, string]>([
    ['is empty', ''],
    ['is cut short', serializeRecord(containerRecord()).slice(0, -20)],
    ['is null', 'null'],
    ['is a list', '[]'],
    ['is of another version', JSON.stringify({ ...good, version: 2 })],
    ['lacks the id', JSON.stringify({ ...good, id: undefined })],
    ['has a number as its slice', JSON.stringify({ ...good, slice: 1 })],
    ['has a text as its time', JSON.stringify({ ...good, createdAtMs: '1' })],
    ['has no configuration', JSON.stringify({ ...good, config: null })],
    ['has no list of devices', JSON.stringify({ ...good, deviceAllow: {} })],
  ])('that %s is refused by its path', async (_what, text) => {
    const error = await errorOf(() => parseRecord(text, '/state/container.json'));
    expect([error.kind, error.message]).toEqual([
      'corrupt-state',
      expect.stringContaining('/state/container.json'),
    ]);
  });
});
