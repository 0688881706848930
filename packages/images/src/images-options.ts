import { PodwrightError } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';

/** What can be said of images. The programs `skopeo` and `containers-storage` are found by the HostExecutor. */
export interface ImagesOptions {
  /** Directory on the host for credentials of running pulls, made with mode 0700. One agent only uses it. */
  readonly runDir: string;
  /** Directory on the host for blobs on their way into the store. Default `/var/tmp`, as skopeo has it. */
  readonly tmpDir?: string;
  /** The store's directory. Default: the host's own, as storage.conf(5) says; podman shares it. */
  readonly storeRoot?: string;
  /** The store's directory for state that ends with the host's run. Only together with `storeRoot`. */
  readonly storeRunRoot?: string;
  /** Registries, `host` or `host:port`, that are reached without checking certificates, or over plain HTTP. */
  readonly insecureRegistries?: readonly string[];
  /** Registries on loopback addresses are reached so too, as docker and containerd do. Default false. */
  readonly insecureLoopback?: boolean;
  /**
   * Path on the host of an auth file (containers-auth.json(5)) for pulls that bring none. Default: the host's own,
   * /run/containers/0/auth.json, then $HOME/.docker/config.json of root.
   */
  readonly authFile?: string;
  /** Images that garbage collection leaves alone: names, ids, or patterns with `*`, as `isPinned` reads them. */
  readonly pinnedImages?: readonly string[];
  /** Path of a registries.conf(5). Default: the host's. */
  readonly registriesConf?: string;
  /** Path of a policy.json(5). Default: the host's. */
  readonly policyPath?: string;
  /** Takes images without asking any policy.json. Default false. */
  readonly insecurePolicy?: boolean;
}

export const ImagesOptions: ServiceIdentifier<ImagesOptions> = Symbol.for('podwright.images.ImagesOptions');

/** @throws PodwrightError kind `invalid-argument` that names the option and what is allowed */
export function checkImagesOptions(options: ImagesOptions): ImagesOptions {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `Wrong option for images: ${why}`);
  };
  for (const name of [
    'runDir',
    'tmpDir',
    'storeRoot',
    'storeRunRoot',
    'authFile',
    'registriesConf',
    'policyPath',
  ] as const) {
    const path = options[name];
    if (path !== undefined && !path.startsWith('/')) {
      fail(`${name} is "${path}", and has to be an absolute path on the host.`);
    }
  }
  for (const name of ['storeRoot', 'storeRunRoot'] as const) {
    // Skopeo reads both inside containers-storage:[driver@root+runroot:options]name and has no way to quote.
    if (/[[\]:+@,]/.test(options[name] ?? ''))
      fail(`${name} is "${options[name]}", and may have none of [ ] : + @ ,`);
  }
  if (options.tmpDir?.includes(':')) fail(`tmpDir is "${options.tmpDir}", and may have no colon.`);
  if ((options.storeRoot === undefined) !== (options.storeRunRoot === undefined)) {
    fail('storeRoot and storeRunRoot go together: give both, or neither for the store of the host.');
  }
  if (options.policyPath !== undefined && options.insecurePolicy) {
    fail('policyPath and insecurePolicy contradict each other: give one of them.');
  }
  for (const registry of options.insecureRegistries ?? []) {
    if (!/^[^/\s@]+$/.test(registry)) {
      fail(`"${registry}" in insecureRegistries has to be a host or host:port, such as registry.lan:5000.`);
    }
  }
  return options;
}
