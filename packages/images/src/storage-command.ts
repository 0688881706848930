import { type CallOptions, PodwrightError } from '@podwright/core';
import { HostExecutor, type HostResult } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ImagesOptions } from './images-options.js';

/** Where a store lies on the host. */
export interface StoreLocation {
  readonly root: string;
  readonly runRoot: string;
  /** Further stores, read-only, that the host's storage.conf adds (`additionalimagestores`). */
  readonly readOnlyRoots: readonly string[];
}

/**
 * Without this option containers-storage mounts the store on itself and leaves that mount on the host. It serves
 * mounts of the store's own containers only.
 */
const NO_HOME_MOUNT = 'overlay.skip_mount_home=true';
const TIMEOUT_MS = 120_000;

/** The command `containers-storage`: what changes the store and is no copy, and where the store is. */
@injectable()
export class StorageCommand {
  #location: Promise<StoreLocation> | undefined;

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  /**
   * Asked of the command once: it reads storage.conf(5) and its environment variables. Makes an empty store where
   * there is none.
   * @throws PodwrightError kind `unsupported` for another driver than overlay, `missing-requirement`
   */
  location(): Promise<StoreLocation> {
    this.#location ??= this.#ask().catch((error: unknown) => {
      this.#location = undefined;
      throw error;
    });
    return this.#location;
  }

  /** Skopeo's name for the store, to be followed by an image's. */
  get transport(): string {
    const { storeRoot, storeRunRoot } = this.options;
    if (storeRoot === undefined) return 'containers-storage:';
    return `containers-storage:[overlay@${storeRoot}+${storeRunRoot}:${NO_HOME_MOUNT}]`;
  }

  /** Environment for whatever opens the store: added to what storage.conf says. */
  get env(): Readonly<Record<string, string>> {
    return { STORAGE_OPTS: NO_HOME_MOUNT };
  }

  /**
   * Runs one command of it.
   * @param command such as `delete-image`
   * @param args what follows its options
   */
  run(
    command: string,
    args: readonly string[],
    options: CallOptions & { anyExitCode?: boolean } = {},
  ): Promise<HostResult> {
    const { storeRoot, storeRunRoot } = this.options;
    const store =
      storeRoot === undefined || storeRunRoot === undefined
        ? []
        : ['-g', storeRoot, '-R', storeRunRoot, '-s', 'overlay', '--storage-opt', NO_HOME_MOUNT];
    return this.executor.run({
      command: 'containers-storage',
      args: [command, ...store, ...args],
      env: this.env,
      timeoutMs: TIMEOUT_MS,
      ...(options.anyExitCode ? { okExitCodes: 'any' as const } : {}),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  async #ask(): Promise<StoreLocation> {
    const { stdout, stderr, exitCode } = await this.run('status', ['--json'], { anyExitCode: true });
    const said = `${stdout.toString('utf8')}${stderr.toString('utf8')}`.trim();
    // Other drivers refuse the option of this one.
    const driver = /(\S+) driver does not support overlay\./.exec(said)?.[1];
    if (driver !== undefined) throw otherDriver(driver);
    if (exitCode !== 0) {
      throw new PodwrightError('command-failed', `The image store cannot be opened: ${said}`, {
        details: { exitCode, stderr: said },
      });
    }
    return parseStatus(stdout.toString('utf8'));
  }
}

/**
 * Reads `containers-storage status --json`: a list of pairs.
 * @throws PodwrightError kind `unsupported` for another driver than overlay, `command-failed` for other output
 */
export function parseStatus(text: string): StoreLocation {
  const pairs = new Map<string, string>();
  try {
    const parsed: unknown = JSON.parse(text);
    for (const pair of Array.isArray(parsed) ? parsed : []) {
      if (Array.isArray(pair)) pairs.set(String(pair[0]), String(pair[1]));
    }
  } catch {
    // An unreadable answer is told below, as one that lacks its entries.
  }
  const [root, runRoot, driver] = [pairs.get('Root'), pairs.get('Run Root'), pairs.get('Driver Name')];
  if (!root || !runRoot || !driver) {
    throw new PodwrightError(
      'command-failed',
      'containers-storage status does not say where the image store is.',
      {
        details: { stdout: text },
      },
    );
  }
  if (driver !== 'overlay') throw otherDriver(driver);
  const options = (pairs.get('Driver Options') ?? '').replace(/^\[|\]$/g, '').split(/[ ,]+/);
  const readOnlyRoots = options.flatMap(
    (option) => /^(?:overlay)?\.imagestore=(.+)$/.exec(option)?.[1] ?? [],
  );
  return { root, runRoot, readOnlyRoots };
}

function otherDriver(driver: string): PodwrightError {
  return new PodwrightError(
    'unsupported',
    `The image store uses the driver ${driver}; only overlay is supported. Set driver = "overlay" in /etc/containers/storage.conf, or give a store of its own with storeRoot and storeRunRoot.`,
    { details: { driver } },
  );
}
