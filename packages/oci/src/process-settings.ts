import { type ContainerConfig, type EnvVar, type OciImageConfig, PodwrightError } from '@podwright/core';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The command line of a container: `command` replaces the image's entrypoint and drops its arguments, `args` alone
 * keeps the entrypoint. An empty list counts as absent, as in Kubernetes.
 * @throws PodwrightError kind `invalid-argument` when nobody names a command, or a word has a NUL
 */
export function processArgs(
  config: Pick<ContainerConfig, 'command' | 'args' | 'image'>,
  image: OciImageConfig,
): readonly string[] {
  const command = config.command ?? [];
  const args = config.args ?? [];
  const entrypoint = image.config?.Entrypoint ?? [];
  const line =
    command.length > 0
      ? [...command, ...args]
      : [...entrypoint, ...(args.length > 0 ? args : (image.config?.Cmd ?? []))];
  if (line.length === 0) {
    throw new PodwrightError(
      'invalid-argument',
      `The image ${config.image} has neither an entrypoint nor a command: give the container a command.`,
    );
  }
  checkWords(line);
  return line;
}

/** @throws PodwrightError kind `invalid-argument` when the command is empty or a word of it has a NUL */
export function checkWords(words: readonly string[]): void {
  if (words.length === 0 || words[0] === '') {
    throw new PodwrightError('invalid-argument', 'The command is empty: name a program.');
  }
  const at = words.findIndex((word) => word.includes('\0'));
  if (at >= 0) {
    throw new PodwrightError(
      'invalid-argument',
      `Word ${at} of the command has a NUL character, which no program can be given.`,
    );
  }
}

/**
 * The environment, `NAME=value` each: the image's, then the configuration's by name over it, then PATH, HOME, HOSTNAME
 * and, with a terminal, TERM where nobody set them.
 * @throws PodwrightError kind `invalid-argument` for a name that is empty or has `=` or NUL, or a value with NUL
 */
export function processEnv(
  own: readonly EnvVar[],
  image: OciImageConfig,
  defaults: { readonly home: string; readonly hostname?: string; readonly term?: string },
): readonly string[] {
  const env = new Map<string, string>();
  env.set('PATH', DEFAULT_PATH);
  if (defaults.hostname !== undefined) env.set('HOSTNAME', defaults.hostname);
  env.set('HOME', defaults.home);
  if (defaults.term !== undefined) env.set('TERM', defaults.term);
  for (const entry of image.config?.Env ?? []) {
    const equals = entry.indexOf('=');
    // A name without a value says nothing about a container: the image's builder took it from its own environment.
    if (equals > 0) env.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  for (const { name, value } of own) {
    checkVariable(name, value);
    env.set(name, value);
  }
  return [...env].map(([name, value]) => `${name}=${value}`);
}

/**
 * Directory the process starts in: the configuration's, else the image's, else `/`.
 * @throws PodwrightError kind `invalid-argument` for a relative one in the configuration
 */
export function workingDirectory(config: Pick<ContainerConfig, 'workingDir'>, image: OciImageConfig): string {
  if (config.workingDir !== undefined && config.workingDir !== '') {
    if (config.workingDir.startsWith('/')) return config.workingDir;
    throw new PodwrightError(
      'invalid-argument',
      `The working directory "${config.workingDir}" is relative: it has to begin with "/".`,
      { details: { value: config.workingDir } },
    );
  }
  const own = image.config?.WorkingDir ?? '';
  // Builders may write a relative WORKDIR; the image-spec leaves its base open, and everybody takes the root.
  return own.startsWith('/') ? own : `/${own}`;
}

/** @throws PodwrightError kind `invalid-argument`; the value, which may be a secret, is not told */
export function checkVariable(name: string, value: string): void {
  if (name === '' || /[=\0]/.test(name)) {
    throw new PodwrightError(
      'invalid-argument',
      `"${name.replaceAll('\0', '\\0')}" is no name of an environment variable: it may not be empty nor have "=" or NUL.`,
    );
  }
  if (value.includes('\0')) {
    throw new PodwrightError(
      'invalid-argument',
      `The value of the environment variable ${name} has a NUL character, which no process can be given.`,
    );
  }
}
