import { PodwrightError } from '@podwright/core';

/** mount(2) takes one page of options, the final NUL and our own other options included. */
const MAX_OPTION_LENGTH = 4096 - 64;

/**
 * The layers of an image as overlay's `lowerdir=` wants them, written from a directory that they share: the whole
 * option has to fit into a page.
 * @param lowerDirs absolute paths, uppermost first; one at least
 * @returns `cwd`: the directory to mount from
 * @throws PodwrightError kind `unsupported` for more layers than fit
 */
export function lowerDirOption(lowerDirs: readonly string[]): {
  readonly cwd: string;
  readonly lowerdir: string;
} {
  const cwd = commonDirectory(lowerDirs);
  return { cwd, lowerdir: lowerDirsFrom(cwd, lowerDirs) };
}

/** As `lowerDirOption`, for a mount from a given directory that all of them lie below; `/`: with absolute paths. */
export function lowerDirsFrom(cwd: string, lowerDirs: readonly string[]): string {
  const lowerdir = lowerDirs
    .map((path) => (cwd === '/' ? path : path.slice(cwd.length + 1)))
    .map((path) => path.replaceAll(/[\\:,]/g, '\\$&'))
    .join(':');
  if (lowerdir.length <= MAX_OPTION_LENGTH) return lowerdir;
  throw new PodwrightError(
    'unsupported',
    `The image has ${lowerDirs.length} layers, more than one mount takes: build it with fewer.`,
  );
}

function commonDirectory(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/').slice(0, -1));
  const length = first.findIndex((part, index) => others.some((other) => other[index] !== part));
  return (length < 0 ? first : first.slice(0, length)).join('/') || '/';
}
