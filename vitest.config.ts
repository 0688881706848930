import { defineConfig } from 'vitest/config';

/** For what a busy machine is late with: vitest's own second is not enough. */
const expectation = { poll: { timeout: 10_000 } };

/** When a test of a host is taken for one that hangs: most take seconds, on a machine that is shared several times as long. */
const HANGS_MS = 180_000;

/** Tests run from the sources: no build is needed. */
const fromSource = {
  resolve: { conditions: ['@podwright/source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['@podwright/source', 'node', 'import', 'default'] } },
};

export default defineConfig({
  ...fromSource,
  test: {
    projects: [
      {
        ...fromSource,
        test: {
          name: 'unit',
          expect: expectation,
          include: ['packages/*/src/**/*.spec.ts', 'test/unit/**/*.spec.{ts,mjs}'],
          setupFiles: ['test/setup.ts'],
          testTimeout: 20_000,
          // Most of their time was the loading of the same modules for each of hundreds of files.
          isolate: false,
        },
      },
      {
        // Boots throw-away hosts: on Linux as root, on a machine that is not itself booted with systemd.
        ...fromSource,
        test: {
          name: 'boot',
          expect: expectation,
          include: ['test/host/**/*.spec.mjs'],
          testTimeout: HANGS_MS,
          hookTimeout: 60_000,
        },
      },
      {
        // Everything here runs on a host whose PID 1 is systemd: see scripts/test.mjs.
        ...fromSource,
        test: {
          name: 'host',
          expect: expectation,
          include: [
            'test/host/**/*.spec.ts',
            'test/e2e/**/*.spec.ts',
            'test/conformance/{systemd,cri}*.spec.ts',
          ],
          setupFiles: ['test/setup.ts'],
          testTimeout: HANGS_MS,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        ...fromSource,
        test: {
          name: 'conformance',
          expect: expectation,
          include: ['test/conformance/*.spec.ts'],
          exclude: ['test/conformance/{systemd,cri}*.spec.ts'],
          setupFiles: ['test/setup.ts'],
          testTimeout: 20_000,
          // All at once: they mostly wait.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Builds and packs the packages, and installs them in an empty project from the npm registry or its cache.
        ...fromSource,
        test: {
          name: 'packaging',
          expect: expectation,
          include: ['test/packaging/*.spec.ts'],
          testTimeout: HANGS_MS,
        },
      },
    ],
  },
});
