import { join } from 'node:path';
import {
  anonymousVolumes,
  type Mount,
  type OciImageExecution,
  PodwrightError,
  relativePathProblem,
} from '@podwright/core';
import { shellQuote } from '@podwright/nsenter';
import type { ContainerPaths } from './host-layout.js';

/** Mounts of a container that its launch script has to prepare anew for each attempt. */
export interface LaunchMounts {
  /** What the OCI runtime binds: the container's mounts, those that are prepared from where they are prepared. */
  readonly mounts: readonly Mount[];
  /** Parts of volumes, each bound to a directory or file of the container's own. */
  readonly subPaths: readonly {
    readonly volume: string;
    readonly subPath: string;
    readonly target: string;
  }[];
  /** Volumes that the image declares: its path, and the directory on the host. */
  readonly imageVolumes: readonly { readonly path: string; readonly directory: string }[];
}

/** Decides which mounts are prepared, and where. @throws PodwrightError kind `invalid-argument` */
export function launchMounts(
  asked: readonly Mount[],
  image: OciImageExecution | undefined,
  paths: Pick<ContainerPaths, 'stage' | 'volumes'>,
): LaunchMounts {
  const subPaths: { volume: string; subPath: string; target: string }[] = [];
  const own = asked.map(({ subPath, ...mount }): Mount => {
    if (subPath === undefined || subPath === '') return mount;
    const problem = relativePathProblem(subPath);
    if (problem !== undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `The subPath "${subPath}" of the mount at ${mount.containerPath} ${problem}.`,
        { details: { subPath } },
      );
    }
    const target = join(paths.stage, String(subPaths.length));
    subPaths.push({ volume: mount.hostPath, subPath, target });
    return { ...mount, hostPath: target };
  });
  const imageVolumes = anonymousVolumes(image, asked).map((path, index) => ({
    path,
    directory: join(paths.volumes, String(index)),
  }));
  // Filled from the root file system, whose ids are the container's already.
  const declared = imageVolumes.map(({ path, directory }) => ({ hostPath: directory, containerPath: path }));
  return { mounts: [...own, ...declared], subPaths, imageVolumes };
}

/** How often a path is looked up again that was changed on the way, e.g. by an update of a ConfigMap. */
const TRIES = 10;
const MOST_LINKS = 40;

/**
 * Shell functions. `walk` goes down a path part by part and never gives a name to the kernel that could be a link whose
 * end it has not seen: what it enters is looked at afterwards, by where the kernel says that it is, and everything that
 * follows is done from there. A container that changes a directory into a link meanwhile makes it fail, not leave.
 *
 * Arguments: the root; the path; `volume`, where a link may not leave the root, or `image`, where the root is that of all
 * links; and what is missing and made, with mode and owner of the root: `nothing`, `before` the first link, or `all` but
 * what a link itself names. It leaves `file` set when the path ends at something that is no directory. Returns 1 with
 * words, 2 when the path is not there.
 */
const WALK = `walk() {
  own=$2 rest= file= links=0
  cd -P -- "$1" 2>/dev/null || { echo "$1 is no directory"; return 1; }
  root=$(readlink /proc/self/cwd) || return 1
  root=\${root%/}
  while [ -n "$rest$own" ]; do
    if [ -n "$rest" ]; then
      named=link part=\${rest%%/*}
      case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    else
      named=path part=\${own%%/*}
      case $own in */*) own=\${own#*/} ;; *) own= ;; esac
    fi
    case $part in '' | .) continue ;; esac
    if [ "$part" != .. ] && [ -L "./$part" ]; then
      link=$(readlink -- "./$part") || return 2
      links=$((links + 1))
      [ "$links" -le ${MOST_LINKS} ] || { echo "it leads over more than ${MOST_LINKS} links"; return 1; }
      case $3$link in
        volume/*) echo "the link $part leads out of the volume, to $link"; return 1 ;;
        image/*) cd -P -- "$root/" || return 2 ;;
      esac
      rest=$link\${rest:+/$rest}
      continue
    fi
    if [ "$part" = .. ] && [ "$3" = image ] && [ "$(readlink /proc/self/cwd)" = "$root" ]; then continue; fi
    if [ ! -e "./$part" ]; then
      case $4-$named-$links in
        before-path-0 | all-path-*) ;;
        *) return 2 ;;
      esac
      out=$(umask 0 && mkdir -m "$(stat -c %a -- "$root/" | tail -c 4)" -- "./$part" 2>&1 && chown -h --reference="$root/" -- "./$part" 2>&1) ||
        { [ -e "./$part" ] || { echo "$out"; return 1; }; }
    elif [ ! -d "./$part" ]; then
      [ -z "$rest$own" ] || { echo "$part is no directory"; return 1; }
      file=$part
      return 0
    fi
    cd -P -- "./$part" 2>/dev/null || return 2
    case $(readlink /proc/self/cwd)/ in
      "$root"/*) ;;
      *) echo "$part leads out of the volume"; return 1 ;;
    esac
  done
}
`;

/**
 * `bind_sub_path` VOLUME PATH TARGET. A file is bound by its name, for want of a way to hold it; so it is compared with
 * what lies in the directory: the same inode, and no link to it. What is missing behind a link is made at the last try:
 * before that, the link may lead to the old content of a ConfigMap that is on its way out.
 */
const BIND_SUB_PATH = `bind_sub_path() {
  tries=0 makes=before
  while :; do
    walk "$1" "$2" volume "$makes" && found=0 || found=$?
    [ "$found" -ne 1 ] || return 1
    if [ "$found" -eq 0 ] && [ -z "$file" ]; then
      mkdir -- "$3" && mount --no-canonicalize --rbind . "$3" 2>&1
      return
    fi
    if [ "$found" -eq 0 ]; then
      : >"$3" && mount --no-canonicalize --bind "./$file" "$3" 2>&1 || return 1
      [ ! -L "./$file" ] && [ "$(stat -c %d:%i -- "./$file" 2>&1)" = "$(stat -c %d:%i -- "$3")" ] && return 0
      umount --no-canonicalize -- "$3" || return 1
    fi
    tries=$((tries + 1))
    [ "$tries" -lt ${TRIES - 1} ] || makes=all
    [ "$tries" -lt ${TRIES} ] || { echo "a link on the way leads to nothing, or what it leads to changes all the time"; return 1; }
  done
}
`;

/** `fill_volume` ROOTFS PATH DIRECTORY: what the image has there, in a new directory. */
const FILL_VOLUME = `fill_volume() {
  rm -rf -- "$3" && mkdir -p -m 0755 -- "$3" || return 1
  walk "$1" "$2" image nothing && found=0 || found=$?
  case $found in
    2) return 0 ;;
    0) [ -n "$file" ] || cp --archive --reflink=auto -- . "$3" 2>&1 ;;
    *) return 1 ;;
  esac
}
`;

/** The part of the launch script that prepares mounts, in the unit's mount namespace, when the root file system is there. */
export function prepareMounts(
  { subPaths, imageVolumes }: LaunchMounts,
  { rootfs, stage }: Pick<ContainerPaths, 'rootfs' | 'stage'>,
): string {
  if (subPaths.length + imageVolumes.length === 0) return '';
  const [quotedStage, quotedRootfs] = [shellQuote(stage), shellQuote(rootfs)];
  // Each in a shell of its own, whose directory it changes.
  return [
    WALK,
    ...(imageVolumes.length === 0 ? [] : [FILL_VOLUME]),
    ...imageVolumes.map(({ path, directory }) => {
      const words = shellQuote(`The volume ${path} of the image cannot be filled: `);
      return `out=$(fill_volume ${quotedRootfs} ${shellQuote(path)} ${shellQuote(directory)} 2>&1) || fail ${words}"$out"\n`;
    }),
    ...(subPaths.length === 0
      ? []
      : [
          BIND_SUB_PATH,
          // Of the unit's own: the next attempt has a new one, and nothing is left of it.
          `mkdir -p ${quotedStage} && out=$(mount -t tmpfs -o mode=0700,size=1m,nosuid,nodev podwright-stage ${quotedStage} 2>&1) ||
  fail "The directory for parts of volumes cannot be made: $out"
`,
        ]),
    ...subPaths.map(({ volume, subPath, target }) => {
      const words = shellQuote(`The subPath ${subPath} of the volume at ${volume} cannot be mounted: `);
      const args = [volume, subPath, target].map(shellQuote).join(' ');
      return `out=$(bind_sub_path ${args} 2>&1) || fail ${words}"$out"\n`;
    }),
  ].join('');
}
