/** How a container of an image is run by default: the `config` object of an OCI image configuration. */
export interface OciImageExecution {
  /** `user`, `uid`, `user:group`, `uid:gid` and so on; absent or empty: root. */
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  /** `NAME=value` each. */
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
}

/**
 * An image's configuration as registries and image stores keep it, with the names of the OCI image-spec v1
 * (config.md); only the fields that somebody here reads.
 */
export interface OciImageConfig {
  readonly created?: string;
  readonly architecture?: string;
  readonly os?: string;
  readonly config?: OciImageExecution;
  readonly rootfs?: { readonly type: string; readonly diff_ids: readonly string[] };
}
