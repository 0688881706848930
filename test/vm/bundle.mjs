// The tests for the virtual machine as plain JavaScript in a few files: to transform and load hundreds of files one by
// one takes minutes under emulation.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { REPOSITORY } from '../host/throwaway-host.mjs';

/** As in vitest.config.ts. */
const conditions = ['@podwright/source', 'node', 'import', 'default'];

/**
 * Writes the tests of these files, and a vitest configuration for them, into a new folder of the checkout.
 * @param files paths from the checkout's root
 * @param plan for `guest.mjs`, written beside them
 * @returns the folder, from the checkout's root
 */
export async function writeBundle(files, plan) {
  const cache = join(REPOSITORY, 'node_modules/.cache/podwright-v2');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'run-'));
  writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
  if (files.length === 0) return folder;
  const input = Object.fromEntries(
    files.map((file) => [file.replace(/\.ts$/, '').replaceAll('/', '-'), join(REPOSITORY, file)]),
  );
  // Not before: in a new checkout the set-up has installed it since this file was loaded.
  const { build } = await import('vite');
  await build({
    ...{ root: REPOSITORY, configFile: false, logLevel: 'error', plugins: [keepLocations()] },
    resolve: { conditions },
    ssr: { resolve: { conditions }, noExternal: true, external: ['vitest', 'vite'] },
    build: {
      ...{ ssr: true, outDir: folder, emptyOutDir: false, minify: false, target: 'node20' },
      rolldownOptions: {
        input: { setup: join(REPOSITORY, 'test/setup.ts'), ...input },
        output: { entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name]-[hash].mjs' },
      },
    },
  });
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    `export default ${JSON.stringify(vitestConfig(folder))};\n`,
  );
  return folder;
}

/** One thread for all, without vite's own loader; times as of a slow machine. */
function vitestConfig(folder) {
  return {
    root: REPOSITORY,
    test: {
      ...{ include: [`${folder}/*.spec.mjs`], exclude: [], setupFiles: [join(folder, 'setup.mjs')] },
      ...{ pool: 'threads', maxWorkers: 1, isolate: false, fileParallelism: false },
      ...{ testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 60_000 } } },
      experimental: { viteModuleRunner: false, nodeLoader: false },
    },
  };
}

/** Modules find files beside them, and not beside the bundle. */
function keepLocations() {
  return {
    name: 'keep-locations',
    transform(code, id) {
      const [path] = id.split('?');
      if (!code.includes('import.meta.url') || !path.startsWith(REPOSITORY)) return undefined;
      const location = JSON.stringify(pathToFileURL(path).href);
      return { code: code.replaceAll('import.meta.url', location), map: null };
    },
  };
}
