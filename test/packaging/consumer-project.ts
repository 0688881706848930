import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What `npm pack --json` tells of a package. */
export interface PackedPackage {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

export interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const BACKEND = 'examples/custom-backend';

/** An empty project, into which every package was installed as it would come from the registry. */
export class ConsumerProject {
  private constructor(
    readonly folder: string,
    /** The packages of the repository. */
    readonly packages: readonly PackedPackage[],
    /** The example of a backend by somebody else. */
    readonly backend: PackedPackage,
  ) {}

  /** Builds and packs everything, and installs it in a folder of its own. */
  static async make(): Promise<ConsumerProject> {
    const root = await mkdtemp(join(tmpdir(), 'podwright-packaging-'));
    try {
      const [tarballs, folder] = [join(root, 'tarballs'), join(root, 'project')];
      await Promise.all([mkdir(tarballs), mkdir(folder)]);
      await run('npm', ['run', '--silent', 'build']);
      await run('node_modules/.bin/tsc', ['-p', BACKEND]);
      const packages = await pack(['--workspaces', '--pack-destination', tarballs], '.');
      const [backend] = await pack(['--pack-destination', tarballs], BACKEND);
      if (!backend) throw new Error('npm pack packed no backend.');
      await writeFile(
        join(folder, 'package.json'),
        JSON.stringify({
          private: true,
          type: 'module',
          dependencies: {
            ...Object.fromEntries(
              [...packages, backend].map(({ name, filename }) => [name, `file:${join(tarballs, filename)}`]),
            ),
            ...(await versions(['inversify', 'reflect-metadata', 'rxjs', 'vitest', '@types/node'])),
          },
        }),
      );
      await run(
        'npm',
        ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'],
        folder,
      );
      return new ConsumerProject(folder, packages, backend);
    } catch (error) {
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  async manifestOf(name: string): Promise<Manifest> {
    return JSON.parse(await readFile(join(this.folder, 'node_modules', name, 'package.json'), 'utf8'));
  }

  /** The built modules of an installed package. */
  async modulesOf(name: string): Promise<readonly { readonly path: string; readonly text: string }[]> {
    const dist = join(this.folder, 'node_modules', name, 'dist');
    const paths = (await readdir(dist, { recursive: true })).filter((path) => path.endsWith('.js'));
    return Promise.all(
      paths.map(async (path) => ({
        path: `${name}/dist/${path}`,
        text: await readFile(join(dist, path), 'utf8'),
      })),
    );
  }

  write(path: string, text: string): Promise<void> {
    return writeFile(join(this.folder, path), text);
  }

  /** Takes files of the repository into the project. */
  async take(from: string, to: string): Promise<void> {
    await cp(from, join(this.folder, to), { recursive: true });
  }

  /** Runs plain node in the project. */
  node(args: readonly string[], folder = ''): Promise<string> {
    return run(process.execPath, args, join(this.folder, folder));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.folder, '..'), { recursive: true, force: true });
  }
}

/** Runs a command to its end. @returns its standard output @throws with all that it said when it fails */
export async function run(command: string, args: readonly string[], cwd = '.'): Promise<string> {
  // Nothing of an `npm` or a vitest around this test may reach the one that it runs.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_ENV|NODE_OPTIONS)/.test(name)),
  );
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env, maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

async function pack(args: readonly string[], cwd: string): Promise<readonly PackedPackage[]> {
  const told: unknown = JSON.parse(await run('npm', ['pack', '--json', '--silent', ...args], cwd));
  if (!Array.isArray(told)) throw new Error('npm pack --json tells no list.');
  return told;
}

/** The versions that the repository itself works with. */
async function versions(names: readonly string[]): Promise<Record<string, string>> {
  const entries = names.map(async (name) => {
    const { version } = JSON.parse(await readFile(`node_modules/${name}/package.json`, 'utf8'));
    return [name, version];
  });
  return Object.fromEntries(await Promise.all(entries));
}
