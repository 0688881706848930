// What `npm test` runs: parts that need nothing of each other, each with the tests of one project or some of its files.

/** Of vitest.config.ts, in the order in which they run one after the other. */
export const PROJECTS = ['unit', 'conformance', 'packaging', 'boot', 'host'];

/** The project `host` in parts of a few minutes, each on a host of its own: the files whose paths begin so. */
const HOST_PARTS = {
  'host-cli': ['test/e2e/cli', 'test/e2e/gc', 'test/e2e/agent'],
  'host-loopback': ['test/conformance/cri-loopback'],
  'host-systemd': ['test/conformance/systemd'],
  'host-containerd': ['test/conformance/cri-containerd'],
  'host-cri': ['test/e2e/cri'],
};

/** Parts that take less time than the rest, the longest first. */
const SHORT = ['boot', 'host-cri', 'packaging', 'unit', 'conformance'];

/**
 * The parts of these projects, the longest first, so that those that run at the same time end at about the same time.
 * @param options.divided whether the project `host` runs as several parts
 * @returns `{name, project, args}` each; `args` choose its files for vitest
 */
export function partsOf(projects, { divided }) {
  const whole = (project) => ({ name: project, project, args: [] });
  if (!divided) return PROJECTS.filter((project) => projects.includes(project)).map(whole);
  const others = ['boot', 'packaging', 'unit', 'conformance'].filter((project) => projects.includes(project));
  const all = [...(projects.includes('host') ? hostParts() : []), ...others.map(whole)];
  return all.toSorted((a, b) => SHORT.indexOf(a.name) - SHORT.indexOf(b.name));
}

/** The first has all that no other one names, so that a new file is never left out. */
function hostParts() {
  const named = Object.values(HOST_PARTS).flat();
  const exclude = named.flatMap((start) => ['--exclude', `${start}*`, '--exclude', `${start}*/**`]);
  return [
    { name: 'host', project: 'host', args: exclude },
    ...Object.entries(HOST_PARTS).map(([name, files]) => ({ name, project: 'host', args: files })),
  ];
}

/**
 * Runs an action for each of some things, so many at a time, in their order.
 * @returns the results, in the same order
 */
export async function inLanes(count, things, action) {
  const results = [];
  const queue = things.map((thing, index) => ({ thing, index }));
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results[next.index] = await action(next.thing);
  };
  await Promise.all(Array.from({ length: count }, lane));
  return results;
}
