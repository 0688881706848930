import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { CopyTarget } from './image-store.js';
import { ImagesOptions } from './images-options.js';
import { type SkopeoOrigin, skopeoError } from './skopeo-errors.js';

/** Where an image comes from, and what skopeo needs to reach it. */
export interface SkopeoSource {
  /** Skopeo's name for it, such as `docker://docker.io/library/busybox:1.36`. */
  readonly name: string;
  /** Host of the registry with its port; absent for files. */
  readonly registry?: string;
  /** Path on the host of an auth file. */
  readonly authFile?: string;
  /** Path on the host of the policy.json(5) that holds for it; absent: the one that is configured. */
  readonly policyPath?: string;
  /** Texts to be masked in logs and errors. */
  readonly secrets?: readonly string[];
}

export interface SkopeoCall {
  /** What is tried, in words for the error: `Pulling docker.io/library/busybox:1.36`. */
  readonly doing: string;
  readonly signal?: AbortSignal;
}

const STDERR_LIMIT = 64 * 1024;

/** A registry on a loopback address (127.0.0.0/8, ::1), with its port if it has one. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

/** The command `skopeo`. Errors: kinds as `skopeoError` has them, `cancelled`, `missing-requirement`. */
@injectable()
export class Skopeo {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  /** The manifest or the list of manifests, as the registry has it. */
  async rawManifest(source: SkopeoSource, call: SkopeoCall): Promise<string> {
    const { stdout, stderr, exitCode } = await this.executor.run({
      command: 'skopeo',
      args: inspectArgs(source, this.options),
      okExitCodes: 'any',
      ...(source.secrets === undefined ? {} : { secrets: source.secrets }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    if (exitCode !== 0) throw skopeoError(call.doing, originOf(source), stderr.toString('utf8'), exitCode);
    return stdout.toString('utf8');
  }

  /**
   * Copies an image into the store.
   * @param tmpDir path on the host for its temporary files, which a killed skopeo leaves behind
   * @param onLine gets each line of its output
   */
  async copy(
    source: SkopeoSource,
    target: CopyTarget,
    tmpDir: string,
    call: SkopeoCall,
    onLine: (line: string) => void = () => undefined,
  ): Promise<void> {
    const skopeo = await this.executor.start({
      command: 'skopeo',
      args: copyArgs(source, target.destination, tmpDir, this.options),
      env: target.env,
      ...(source.secrets === undefined ? {} : { secrets: source.secrets }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    skopeo.stdin.end();
    const lines = readLines(skopeo.stdout, onLine);
    const said = readTail(skopeo.stderr);
    const [{ exitCode }, stderr] = await Promise.all([skopeo.exited, said, lines]);
    if (call.signal?.aborted) {
      throw new PodwrightError('cancelled', `${call.doing} was cancelled.`, { cause: call.signal.reason });
    }
    if (exitCode !== 0) throw skopeoError(call.doing, originOf(source), stderr, exitCode);
  }
}

/** Arguments of `skopeo inspect --raw`. */
export function inspectArgs(source: SkopeoSource, options: ImagesOptions): readonly string[] {
  return [
    ...registriesConfArgs(options),
    'inspect',
    '--raw',
    ...(isInsecure(source, options) ? ['--tls-verify=false'] : []),
    ...(source.authFile === undefined ? [] : ['--authfile', source.authFile]),
    source.name,
  ];
}

/** Arguments of `skopeo copy`. */
export function copyArgs(
  source: SkopeoSource,
  destination: string,
  tmpDir: string,
  options: ImagesOptions,
): readonly string[] {
  const policyPath = source.policyPath ?? options.policyPath;
  return [
    ...registriesConfArgs(options),
    '--tmpdir',
    tmpDir,
    ...(options.insecurePolicy ? ['--insecure-policy'] : []),
    ...(policyPath === undefined ? [] : ['--policy', policyPath]),
    'copy',
    ...(isInsecure(source, options) ? ['--src-tls-verify=false'] : []),
    ...(source.authFile === undefined ? [] : ['--src-authfile', source.authFile]),
    source.name,
    destination,
  ];
}

function originOf({ registry }: SkopeoSource): SkopeoOrigin {
  return registry === undefined ? 'archive' : 'registry';
}

function isInsecure(
  { registry }: SkopeoSource,
  { insecureRegistries = [], insecureLoopback = false }: ImagesOptions,
): boolean {
  if (registry === undefined) return false;
  return insecureRegistries.includes(registry) || (insecureLoopback && LOOPBACK.test(registry));
}

/** A flag that skopeo has but does not list: its environment variable for it came later. */
function registriesConfArgs({ registriesConf }: ImagesOptions): readonly string[] {
  return registriesConf === undefined ? [] : ['--registries-conf', registriesConf];
}

async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }))
    onLine(line);
}

async function readTail(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text = `${text}${String(chunk)}`.slice(-STDERR_LIMIT);
  return text;
}
