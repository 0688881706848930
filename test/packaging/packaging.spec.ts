import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConsumerProject } from './consumer-project.js';
import { promisedOutput } from './promised-output.js';

let project: ConsumerProject;

beforeAll(async () => {
  project = await ConsumerProject.make();
}, 240_000);

afterAll(async () => {
  await project?.[Symbol.asyncDispose]();
});

const allPackages = () => [...project.packages, project.backend];

describe('the packages, packed and installed in an empty project', () => {
  it('are all there, each with its licence, its README, its types and its sources, and without tests', async () => {
    expect(project.packages.map(({ name }) => name.replace('@podwright/', '')).sort()).toEqual(
      (await readdir('packages')).sort(),
    );
    for (const { name, files } of project.packages) {
      const paths = files.map(({ path }) => path);
      expect(paths, name).toEqual(
        expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']),
      );
      expect(
        paths.filter((path) => /\.spec\b|\.test\.|-spec-|spec-helper|tsbuildinfo|(^|\/)tests?\//.test(path)),
        name,
      ).toEqual([]);
    }
  });

  it('are imported by their names in plain node', async () => {
    await project.write(
      'import-all.mjs',
      `const exported = {};
       for (const name of process.argv.slice(2)) exported[name] = Object.keys(await import(name)).length;
       console.log(JSON.stringify(exported));`,
    );
    const names = allPackages()
      .map(({ name }) => name)
      // The suite is made of vitest tests and runs under vitest only.
      .filter((name) => name !== '@podwright/conformance');
    const exported: unknown = JSON.parse(await project.node(['import-all.mjs', ...names]));
    expect(exported).toEqual(Object.fromEntries(names.map((name) => [name, expect.any(Number)])));
  });

  it('import nothing that they do not declare', async () => {
    for (const { name } of allPackages()) {
      const { dependencies = {}, peerDependencies = {} } = await project.manifestOf(name);
      const declared = [...Object.keys(dependencies), ...Object.keys(peerDependencies)];
      for (const { path, text } of await project.modulesOf(name)) {
        const undeclared = importsOf(text).filter((used) => !declared.includes(used));
        expect(undeclared, path).toEqual([]);
      }
    }
  });

  it('type-check in a strict project, their own declarations too', async () => {
    await project.write('consumer.ts', CONSUMER);
    await project.write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2023',
          lib: ['es2023', 'esnext.disposable'],
          types: ['node'],
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          skipLibCheck: false,
        },
        files: ['consumer.ts'],
      }),
    );
    await project.node([resolve('node_modules/typescript/bin/tsc'), '-p', '.']);
  });

  it('bring the command podwright', async () => {
    const bin = join('node_modules', '.bin', 'podwright');
    const { version } = JSON.parse(await readFile('packages/podwright/package.json', 'utf8'));
    expect(await project.node([bin, 'version', '--client'])).toContain(version);
    expect(await project.node([bin, '--help'])).toContain('port-forward');
  });

  it.each(['minimal-agent', 'swap-backend', 'sync-agent'])(
    'run the example %s, which prints what its README says',
    async (name) => {
      await project.take(`examples/${name}`, name);
      const args = name === 'swap-backend' ? ['memory.json'] : [];
      expect(await project.node(['agent.mjs', ...args], name)).toBe(await promisedOutput(name));
    },
  );
});

describe('the backend by somebody else, from its packed tarball', () => {
  it('imports core and the peers of core, and nothing else', async () => {
    const { name } = project.backend;
    const used = (await project.modulesOf(name)).flatMap(({ text }) => importsOf(text));
    expect([...new Set(used)].sort()).toEqual(['@podwright/core', 'inversify', 'rxjs']);
  });

  it('is found by its name, and its pods run on its far side', async () => {
    await project.take('examples/custom-backend/demo', 'demo');
    expect(await project.node(['demo/start.mjs'])).toBe(await promisedOutput('custom-backend'));
  });

  it('is one of the command, whose libraries are copies of its own', async () => {
    await project.take('examples/custom-backend/demo', 'demo');
    await project.write('by-command.mjs', BY_COMMAND);
    expect(await project.node(['by-command.mjs'])).toMatch(/^default +far-away +1\/1 +Running/m);
  });

  it('passes the conformance suite', { timeout: 120_000 }, async () => {
    await project.take('examples/custom-backend/test', 'test');
    await project.take('examples/custom-backend/vitest.config.mjs', 'vitest.config.mjs');
    const vitest = join('node_modules', 'vitest', 'vitest.mjs');
    const report = JSON.parse(await project.node([vitest, 'run', '--reporter=json']));
    expect(report).toMatchObject({ success: true, numFailedTests: 0 });
    expect(report.numPassedTests).toBeGreaterThan(180);
  });
});

/** The packages that a built module imports. */
function importsOf(text: string): readonly string[] {
  const statement =
    /^(?:import|export)\s+(?:[\w\s{},*$]+\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gm;
  const targets = [...text.matchAll(statement)].map((match) => match[1] ?? match[2] ?? '');
  return targets
    .filter((target) => !/^(\.|node:)/.test(target))
    .map((target) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/'),
    );
}

/** Somebody's program: what it says of types has to hold for the declarations as they are shipped. */
const CONSUMER = `
import * as systemdBackend from '@podwright/backend-systemd';
import * as memoryBackend from '@podwright/backend-memory';
import * as conformance from '@podwright/conformance';
import { type ContainerRuntime, Logger, parsePod, PodwrightError, silentLogger } from '@podwright/core';
import * as images from '@podwright/images';
import * as journal from '@podwright/journal';
import * as nsenter from '@podwright/nsenter';
import * as oci from '@podwright/oci';
import * as pods from '@podwright/pods';
import * as sandbox from '@podwright/sandbox';
import * as systemd from '@podwright/systemd';
import { ContainerModule } from 'inversify';
import { createRuntime, type RuntimeConfig } from 'podwright';
import * as remote from 'podwright-backend-remote';

export const all = [systemdBackend, memoryBackend, conformance, images, journal, nsenter, oci, pods, sandbox, systemd, remote];

const config: RuntimeConfig = { backend: 'memory', debug: true };
// @ts-expect-error a key that is none is found by the compiler
export const wrong: RuntimeConfig = { bakcend: 'memory' };

export async function main(): Promise<number | undefined> {
  const rebind = new ContainerModule((options) => {
    options.rebind(Logger).toConstantValue(silentLogger);
  });
  const runtime: ContainerRuntime = await createRuntime(config, { modules: [rebind] });
  await runtime.start();
  try {
    const { uid } = await runtime.runPod(parsePod({ apiVersion: 'v1', kind: 'Pod' }));
    const [container] = (await runtime.getPodStatus({ uid })).containers;
    return container?.attempts.at(-1)?.exitCode;
  } catch (error) {
    if (PodwrightError.is(error, 'image-not-found')) return undefined;
    throw error;
  } finally {
    await runtime[Symbol.asyncDispose]();
  }
}
`;

/** A pod on the backend's far side, run and listed by the command. */
const BY_COMMAND = `
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'podwright-by-command-'));
const socket = join(folder, 'far.sock');
const farSide = spawn(process.execPath, ['demo/far-side.mjs', socket], { stdio: ['pipe', 'pipe', 'inherit'] });
await once(farSide.stdout, 'data');
const env = {
  ...process.env,
  PODWRIGHT_BACKEND: 'podwright-backend-remote',
  PODWRIGHT_BACKEND_OPTIONS: JSON.stringify({ socket }),
  PODWRIGHT_STATE_DIR: join(folder, 'state'),
};
const podwright = (...args) =>
  execFileSync(process.execPath, ['node_modules/.bin/podwright', ...args], { env, encoding: 'utf8' });
try {
  podwright('run', '--name', 'far-away', 'busybox:1.36', 'sleep', '1000');
  console.log(podwright('ps'));
  podwright('rm', '--force', '--grace', '0', 'far-away');
} finally {
  farSide.stdin.end();
  rmSync(folder, { recursive: true, force: true });
}
`;
