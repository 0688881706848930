import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { Logger, messageOf } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import {
  COMPILED_SECCOMP_ANNOTATION,
  type OciRuntimeBinary,
  type OciSeccomp,
  type OciSpec,
} from '@podwright/oci';
import { inject, injectable } from 'inversify';
import { isMissing } from './files.js';
import { HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';

/** Filters that are kept: pods differ in what they may do, but not in many ways. */
export const KEPT_FILTERS = 32;

/** The kernel takes 4096 instructions of 8 bytes, seccomp(2). */
const INSTRUCTION_BYTES = 8;
const MAX_BYTES = 4096 * INSTRUCTION_BYTES;

const LIBRARY = 'libseccomp.so.2';

/** Where crun keeps filters by itself, in the versions that do. */
const OWN_CACHE = '.cache/seccomp';

/**
 * Seccomp filters as crun compiled them. crun makes the kernel's instructions of a profile anew for each container, which
 * is more than half of the work of creating one; the versions from 1.9 on keep them, those before do not. So what it made
 * for one container is taken from its state and given to the next ones with the same profile: the same instructions,
 * not made again. docs/decisions/0027-compiled-seccomp.md
 */
@injectable()
export class CompiledSeccomp {
  private libraries: readonly string[] | undefined;
  /** Of profiles, which are kept as long as their files stay the same. */
  private readonly digests = new WeakMap<OciSeccomp, string>();

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** What this very runtime has made of a profile, in base64; undefined: nothing yet, or it needs none. Does not fail. */
  of(seccomp: OciSeccomp, runtime: OciRuntimeBinary): string | undefined {
    if (!takesCompiled(runtime)) return undefined;
    try {
      const filter = readFileSync(this.pathOf(seccomp, runtime));
      return isFilter(filter) ? filter.toString('base64') : undefined;
    } catch (error) {
      if (!isMissing(error)) this.tell('a compiled seccomp filter cannot be read', error);
      return undefined;
    }
  }

  /** Keeps what the runtime made for a container that has just started, unless it was given that. Does not fail. */
  async keep(containerId: string): Promise<void> {
    try {
      const { runtime } = await this.tools.find();
      if (!takesCompiled(runtime)) return;
      const config = readFileSync(this.host.hostPath(this.layout.container(containerId).ociConfig), 'utf8');
      if (config.includes(COMPILED_SECCOMP_ANNOTATION)) return;
      const seccomp = (JSON.parse(config) as OciSpec).linux.seccomp;
      const root = this.host.hostPath(this.layout.runtimeRoot);
      if (seccomp === undefined || existsSync(join(root, OWN_CACHE))) return;
      const filter = readFileSync(join(root, containerId, 'seccomp.bpf'));
      if (isFilter(filter)) this.write(this.pathOf(seccomp, runtime), filter);
    } catch (error) {
      // Of a container that has ended meanwhile nothing is left to be read.
      if (!isMissing(error)) this.tell('a compiled seccomp filter cannot be kept', error);
    }
  }

  /** Whole or not at all. No fsync: it does not outlive the host's run. */
  private write(path: string, filter: Buffer): void {
    const directory = this.host.hostPath(this.layout.compiledSeccompDir);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, filter, { mode: 0o600 });
    renameSync(temporary, path);
    const byAge = readdirSync(directory)
      .map((name) => join(directory, name))
      .map((each) => ({ each, atMs: statSync(each, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((a, b) => b.atMs - a.atMs);
    for (const { each } of byAge.slice(KEPT_FILTERS)) rmSync(each, { force: true });
  }

  /** One file for each profile and all that takes part in compiling it: another crun, libseccomp or kernel makes its own. */
  private pathOf(seccomp: OciSeccomp, runtime: OciRuntimeBinary): string {
    const parts = [runtime.path, ...this.libraryPaths()].map((path) => {
      const stats = statSync(this.host.hostPath(path), { throwIfNoEntry: false });
      return [path, stats?.dev, stats?.ino, stats?.size, stats?.mtimeMs, stats?.ctimeMs];
    });
    const key = JSON.stringify([release(), process.arch, parts, this.digestOf(seccomp)]);
    return this.host.hostPath(join(this.layout.compiledSeccompDir, sha256(key)));
  }

  private digestOf(seccomp: OciSeccomp): string {
    const digest = this.digests.get(seccomp) ?? sha256(JSON.stringify(seccomp));
    this.digests.set(seccomp, digest);
    return digest;
  }

  /** Where the library may lie; a crun that has it in itself has none of them. */
  private libraryPaths(): readonly string[] {
    this.libraries ??= ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/lib', '/lib64']
      .filter((directory) => this.isDirectory(directory))
      .flatMap((directory) => {
        const names = readdirSync(this.host.hostPath(directory)).filter((name) => name.includes('-linux-'));
        return [directory, ...names.map((name) => join(directory, name))];
      })
      .filter((directory) => this.isDirectory(directory))
      .map((directory) => join(directory, LIBRARY));
    return this.libraries;
  }

  private isDirectory(path: string): boolean {
    return statSync(this.host.hostPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  private tell(what: string, error: unknown): void {
    this.logger.debug(`starts are slower: ${what}`, { reason: messageOf(error) });
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function takesCompiled({ flavour }: OciRuntimeBinary): boolean {
  return flavour === 'crun';
}

function isFilter(bytes: Buffer): boolean {
  return bytes.length > 0 && bytes.length <= MAX_BYTES && bytes.length % INSTRUCTION_BYTES === 0;
}
