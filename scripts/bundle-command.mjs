// Puts the command `podwright`, as tsc has built it, with all that it imports into a few files below
// packages/podwright/dist/command: loading some 1,300 modules one by one takes most of the time of a short command.
// Part of `npm run build`; does nothing when it has been done.   node scripts/bundle-command.mjs
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'vite';
import { REPOSITORY } from '../test/host/throwaway-host.mjs';

const PACKAGES = join(REPOSITORY, 'packages');
const DIST = join(PACKAGES, 'podwright/dist');
const FOLDER = join(DIST, 'command');
const LINE = `\n${'-'.repeat(80)}\n\n`;
const COMMAND = join(FOLDER, 'podwright.js');

/** Whether tsc has written a package since, or npm has installed others. */
function isBundleStale() {
  if (!existsSync(COMMAND)) return true;
  const made = statSync(COMMAND).mtimeMs;
  const sources = [
    import.meta.filename,
    join(REPOSITORY, 'node_modules/.package-lock.json'),
    join(PACKAGES, 'systemd/vendor/dbus-next.mjs'),
    ...readdirSync(PACKAGES).map((name) => join(PACKAGES, name, 'dist/.tsbuildinfo')),
  ];
  return sources.some((file) => existsSync(file) && statSync(file).mtimeMs > made);
}

async function bundleCommand() {
  const modules = new Set();
  rmSync(FOLDER, { recursive: true, force: true });
  await build({
    ...{ root: REPOSITORY, configFile: false, logLevel: 'error' },
    plugins: [keepLocations(), { name: 'list', moduleParsed: ({ id }) => void modules.add(id) }],
    resolve: { conditions: ['node', 'import', 'default'] },
    ssr: { resolve: { conditions: ['node', 'import', 'default'] }, noExternal: true },
    build: {
      ...{ ssr: true, outDir: FOLDER, minify: false, target: 'node20' },
      rolldownOptions: {
        input: { podwright: join(DIST, 'bin.js') },
        output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js', keepNames: true },
      },
    },
  });
  const vendored = readFileSync(join(PACKAGES, 'systemd/vendor/LICENSES.txt'), 'utf8');
  writeFileSync(join(FOLDER, 'LICENSES.txt'), `${licensesOf(packagesOf(modules))}${LINE}${vendored}`);
}

/** What finds files beside itself goes on finding them: all output lies in one folder. */
function keepLocations() {
  return {
    name: 'keep-locations',
    transform(code, path) {
      if (!code.includes('import.meta.url') || !path.startsWith(PACKAGES)) return undefined;
      const location = `new URL(${JSON.stringify(relative(FOLDER, path))}, import.meta.url).href`;
      return { code: code.replaceAll('import.meta.url', location), map: null };
    },
  };
}

/** The folders of the packages of others that these modules are of. */
function packagesOf(modules) {
  const found = new Set();
  for (const module of modules) {
    const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0];
    if (folder !== undefined) found.add(folder);
  }
  return [...found].sort();
}

function licensesOf(folders) {
  const texts = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((each) => /^licen[cs]e(\.|$)/i.test(each));
    const text = file === undefined ? '' : `\n\n${readFileSync(join(folder, file), 'utf8').trim()}`;
    return `${name} ${version}: ${license}${text}\n`;
  });
  return `The command contains these packages:\n\n${texts.join(LINE)}`;
}

if (isBundleStale()) await bundleCommand();
