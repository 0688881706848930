import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inLanes, PROJECTS, partsOf } from '../../scripts/test-parts.mjs';

describe('the parts of npm test', () => {
  it('are the projects where the tests have one host, or none', () => {
    expect(partsOf(PROJECTS, { divided: false })).toEqual(
      PROJECTS.map((project) => ({ name: project, project, args: [] })),
    );
    expect(partsOf(['host', 'unit'], { divided: false }).map(({ name }) => name)).toEqual(['unit', 'host']);
  });

  it('are of all projects that were asked for, each with a name of its own', () => {
    const parts = partsOf(PROJECTS, { divided: true });
    expect(new Set(parts.map(({ name }) => name)).size).toBe(parts.length);
    expect(new Set(parts.map(({ project }) => project))).toEqual(new Set(PROJECTS));
    expect(partsOf(['unit'], { divided: true })).toEqual([{ name: 'unit', project: 'unit', args: [] }]);
  });

  it('have each file of the project host once: in the part that names it, else in the first', () => {
    const [rest, ...named] = partsOf(['host'], { divided: true });
    const starts = named.flatMap(({ args }) => args);
    expect(rest.args.filter((arg) => arg !== '--exclude')).toEqual(
      starts.flatMap((start) => [`${start}*`, `${start}*/**`]),
    );
    const files = ['test/e2e', 'test/conformance'].flatMap((folder) =>
      readdirSync(folder, { recursive: true }).map((path) => `${folder}/${path}`),
    );
    for (const start of starts) {
      const own = files.filter((file) => file.startsWith(start) && file.endsWith('.spec.ts'));
      expect(own, start).not.toEqual([]);
      const others = starts.filter((other) => other !== start);
      expect(own.filter((file) => others.some((other) => file.startsWith(other)))).toEqual([]);
    }
  });
});

describe('inLanes', () => {
  it('runs so many at a time, in their order, and gives the results in that order', async () => {
    const begun = [];
    const ends = new Map();
    const all = inLanes(2, ['a', 'b', 'c'], (thing) => {
      begun.push(thing);
      return new Promise((resolve) => ends.set(thing, () => resolve(thing.toUpperCase())));
    });
    expect(begun).toEqual(['a', 'b']);
    ends.get('b')();
    await expect.poll(() => begun).toEqual(['a', 'b', 'c']);
    ends.get('c')();
    ends.get('a')();
    expect(await all).toEqual(['A', 'B', 'C']);
  });

  it('fails with what failed', async () => {
    const failing = inLanes(2, [1, 2], async (thing) => {
      if (thing === 2) throw new Error('two');
    });
    await expect(failing).rejects.toThrow('two');
  });
});
