// Package imports point downwards only: a package may import what its package.json declares, and the declared
// dependencies between packages follow the layers below. Prints each offence and exits with 1.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** From the lowest layer to the highest; a package may use packages of lower layers only. */
const LAYERS = [
  ['core'],
  ['nsenter', 'systemd', 'pods', 'backend-memory', 'conformance', 'cri-api', 'cri-streaming'],
  ['journal', 'sandbox', 'images', 'oci', 'cri-server'],
  ['backend-systemd', 'backend-cri'],
  ['podwright'],
];
/** Packages that only one of ours may import. */
const ONLY_IMPORTER = { 'dbus-next': ['systemd'], execa: ['nsenter'], ws: ['cri-streaming'] };

const layerOf = new Map(LAYERS.flatMap((names, layer) => names.map((name) => [name, layer])));
const offences = [];

for (const name of readdirSync('packages')) {
  const manifest = JSON.parse(readFileSync(join('packages', name, 'package.json'), 'utf8'));
  const declared = new Set([
    ...Object.keys(manifest.dependencies ?? {}),
    ...Object.keys(manifest.peerDependencies ?? {}),
  ]);
  const bundled = new Set(Object.keys(manifest.devDependencies ?? {}));
  if (!layerOf.has(name)) offences.push(`packages/${name} has no layer: add it to scripts/check-imports.mjs`);
  for (const file of sources(join('packages', name, 'src'))) {
    const isSpec = /\.spec(-helper)?\.ts$/.test(file);
    for (const target of importsOf(readFileSync(file, 'utf8'))) {
      if (target === 'node:child_process' && !isSpec)
        offences.push(`${file}: commands run through HostExecutor only`);
      const used = packageName(target);
      if (used === undefined) continue;
      const known = declared.has(used) || (ONLY_IMPORTER[used]?.includes(name) && bundled.has(used));
      if (!isSpec && !known) offences.push(`${file}: ${used} is not in its package.json`);
      const ours =
        used === 'podwright' ? 'podwright' : used.startsWith('@podwright/') ? used.slice(11) : undefined;
      if (ours !== undefined && ours !== name && layerOf.get(ours) >= layerOf.get(name)) {
        offences.push(`${file}: ${name} may not import ${ours}: it is not in a lower layer`);
      }
      if (ours !== undefined && target !== used)
        offences.push(`${file}: ${target} reaches into another package`);
      const allowed = ONLY_IMPORTER[used];
      if (allowed && !allowed.includes(name))
        offences.push(`${file}: only ${allowed.join(', ')} may import ${used}`);
    }
  }
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

function importsOf(text) {
  return [...text.matchAll(/(?:\bfrom\s+|\bimport\s+|\bimport\()\s*['"]([^'"]+)['"]/g)].map(
    (match) => match[1],
  );
}

function packageName(target) {
  if (target.startsWith('.')) return undefined;
  if (target.startsWith('node:')) return undefined;
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

for (const offence of offences) console.error(offence);
console.log(`imports: ${offences.length === 0 ? 'all point downwards' : `${offences.length} offences`}`);
process.exitCode = offences.length === 0 ? 0 : 1;
