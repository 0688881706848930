import { basename, dirname } from 'node:path';
import type { TerminationMessage } from '@podwright/core';
import { shellQuote } from '@podwright/nsenter';
import type { ContainerPaths } from './host-layout.js';
import { type LaunchMounts, prepareMounts } from './launch-mounts.js';
import { UNWRITABLE_VARIABLE } from './runtime-mount.js';
import { prepareTerminationMessage, readTerminationMessage } from './termination-message.js';
import { type LaunchUsers, mountRootfsFor } from './user-namespace-launch.js';

export interface RestartBackoff {
  /** Delay before the second restart, in milliseconds; the first one follows at once. It doubles each time. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** A run of this length or more begins the count anew. */
  readonly resetMs: number;
}

export interface LaunchInput {
  readonly id: string;
  readonly paths: ContainerPaths;
  /** Layers, uppermost first. */
  readonly lowerDirs: readonly string[];
  readonly mounts: LaunchMounts;
  /** Of the host, made before each attempt where nothing is there. */
  readonly directories: readonly string[];
  /** Words of the conmon command, from `conmonCommand`. */
  readonly conmon: readonly string[];
  /** Words that come before the subcommand: the OCI runtime and its global options. */
  readonly runtime: readonly string[];
  /** Where the OCI runtime may be mounted, to be run from there. */
  readonly mountedRuntime?: string;
  readonly backoff: RestartBackoff;
  /** Name of the stop signal without `SIG`, or undefined when conmon forwards it by itself. */
  readonly stopSignal?: string;
  readonly terminationGraceMs: number;
  readonly terminationMessage?: TerminationMessage;
  /** It starts again with its host, so that an end with the host is no end of its own. */
  readonly persist?: boolean;
  /** Of the pod's own, if it has one. */
  readonly users?: LaunchUsers;
  /** Link of the PID namespace that the container joins, `pid:[…]`: it is not started in another one. */
  readonly pidNamespace?: string;
}

/** Words of a command; the OCI runtime is the one that the script has found. */
const words = ({ runtime: [runtime] }: Pick<LaunchInput, 'runtime'>, argv: readonly string[]) =>
  argv.map((word) => (word === runtime ? '"$runtime"' : shellQuote(word))).join(' ');

/**
 * Attempts that are kept: enough for what anybody looks at, so that a container that crashes for a year costs no more to
 * look at than one that crashed today. Each line has its number, so that the count of restarts stays right.
 */
export const KEPT_ATTEMPTS = 50;

/** Of what is kept of the words of a failed start, in bytes. */
const KEPT_ERROR_BYTES = 2000;

/** The locale is set because stat(1) writes fractions with its comma. */
const header = (input: LaunchInput) => `# Container ${input.id}. Written by Podwright; changes are lost.
set -u
LC_ALL=C
export LC_ALL
state=${shellQuote(input.paths.state)}
cd ${shellQuote(input.paths.run)} || exit 1
${findRuntime(input)}`;

/** The mount is not there after a reboot, before the agent has started a container. */
function findRuntime({ runtime: [runtime = ''], mountedRuntime }: LaunchInput): string {
  const plain = `runtime=${shellQuote(runtime)}\n`;
  if (mountedRuntime === undefined) return plain;
  const mounted = shellQuote(mountedRuntime);
  return `${plain}if [ -s ${mounted} ]; then
  runtime=${mounted}
  ${UNWRITABLE_VARIABLE}=1
  export ${UNWRITABLE_VARIABLE}
fi
`;
}

/**
 * The unit's main command, run in a mount namespace of its own: waits the back-off, mounts the root file system, lets
 * conmon create the container, starts it. Why it fails stands in the file `start-error`.
 *
 * systemd is told conmon's PID while the container is being created, so before anything of the container's runs: see
 * docs/decisions/0003-main-pid-by-notify.md.
 *
 * The overlay is mounted from the directory of its layers, so that 127 of them fit in the page that mount(2) takes.
 */
export function launchScript(input: LaunchInput): string {
  const { paths } = input;
  return `${header(input)}
fail() {
  printf '%s\\n' "$1" >start-error
  printf '%s\\n' "$1" >&2
  rm -f "$state/started"
  exit 1
}

# The OCI runtime would take the socket for the container's and wait for its word.
notify=\${NOTIFY_SOCKET:-}
unset NOTIFY_SOCKET

# A stop now is no failure, and QUIT is to leave no core dump. A shell runs its trap when the command before it has
# ended, but leaves wait at once.
trap 'exit 0' INT QUIT TERM
if [ -s "$state/delay" ]; then
  read -r delay <"$state/delay"
  : >"$state/delay"
  sleep "$delay" &
  wait "$!"
fi
# A stop is under way: it ends this, or is taken back.
while [ -e stopping ]; do
  sleep 0.1
done
trap - INT QUIT TERM

${SET_SWAP_LIMIT}
if [ -e "$state/used" ]; then
  rm -rf ${shellQuote(paths.upper)} ${shellQuote(paths.work)} || fail "The writable layer of the attempt before cannot be emptied."
  mkdir -m 0755 ${shellQuote(paths.upper)} ${shellQuote(paths.work)} || fail "The writable layer cannot be made."
else
  : >"$state/used"
fi
${makeDirectories(input.directories)}${mountRootfs(input)}${prepareMounts(input.mounts, paths)}${prepareTerminationMessage(input.terminationMessage)}
# conmon forks: the child creates the container and tells it; the parent writes the PID file and ends. The child holds the
# pipe as long as it lives, so that an end of file says that it ended. It takes words that are no ASCII in a locale with
# UTF-8 only. systemd that could not be told guesses, and systemd-notify has said why.
{
  if _OCI_SYNCPIPE=3 LC_ALL=C.UTF-8 ${words(input, input.conmon)} --log-tag "\${INVOCATION_ID:-}" 3>&1 >/dev/null; then
    conmon=
    read -r conmon <conmon.pid # no line feed at its end, so that read says 1
    NOTIFY_SOCKET=$notify systemd-notify "MAINPID=$conmon" >/dev/null
    echo told
  else
    echo "failed conmon ended with exit code $?; its words are in the journal of this unit."
  fi
} | {
told=
created=
while [ -z "$told" ] || [ -z "$created" ]; do
  IFS= read -r line || fail "conmon ended before the container was created; its words are in the journal of this unit."
  case $line in
    told) told=yes ;;
    failed*) fail "\${line#failed }" ;;
    *:*-*) fail "$line" ;;
    *) created=yes ;;
  esac
done
${pidNamespaceCheck(input.pidNamespace)}printf '%s\\n' "\${INVOCATION_ID:-}" >"$state/started"
out=$(${words(input, [...input.runtime, 'start', input.id])} 2>&1) || fail "$out"
}
`;
}

/**
 * systemd has no property for it on cgroup version 1, and leaves the file alone. Where the kernel has no such file there
 * was no swap when the container was made.
 */
const SET_SWAP_LIMIT = `if [ -s "$state/swap-limit" ]; then
  read -r limit <"$state/swap-limit"
  while IFS=: read -r number controllers path; do
    case ",$controllers," in *,memory,*) ;; *) continue ;; esac
    file=/sys/fs/cgroup/memory$path/memory.memsw.limit_in_bytes
    [ ! -e "$file" ] || echo "$limit" >"$file" || fail "Memory and swap cannot be limited to $limit bytes."
  done </proc/self/cgroup
fi
`;

function makeDirectories(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const quoted = shellQuote(path);
      const words = shellQuote(`The directory ${path} cannot be made on the host: `);
      return `[ -e ${quoted} ] || out=$(mkdir -p -- ${quoted} 2>&1) || fail ${words}"$out"\n`;
    })
    .join('');
}

function mountRootfs({ users, lowerDirs, paths }: LaunchInput): string {
  if (users !== undefined) return mountRootfsFor(users, lowerDirs, paths);
  const overlay = overlayPaths(lowerDirs);
  const options = `lowerdir=${overlay.lower},upperdir=${paths.upper},workdir=${paths.work}`;
  return `[ -d ${shellQuote(paths.rootfs)} ] || mkdir -p ${shellQuote(paths.rootfs)} || fail "The directory of the root file system cannot be made."
out=$(cd ${shellQuote(overlay.base)} && mount -t overlay overlay -o ${shellQuote(options)} ${shellQuote(paths.rootfs)} 2>&1) ||
  fail "The root file system cannot be mounted: $out"
`;
}

/** The OCI runtime joined by a PID, which may have become another process's since it was looked up. */
function pidNamespaceCheck(link: string | undefined): string {
  if (link === undefined) return '';
  return `read -r pid <pid # no line feed at its end, so that read says 1
[ "$(readlink "/proc/$pid/ns/pid")" = ${shellQuote(link)} ] ||
  fail "The container whose processes are to be joined has ended meanwhile."
`;
}

/**
 * Runs after every end of the unit, also while no agent lives: writes the attempt's line, then removes
 * what the OCI runtime left. The delay before the next start is decided here, because systemd 252 has none that grows.
 *
 * The file of lines is replaced as a whole, so that a crash leaves the old one or the new one. Should that fail, the
 * marker of the start stays, and tells that the attempt's end is not known; one whose invocation has a line counts for
 * nothing, and goes with the other leftovers, as each command here keeps whoever waits for the end. `attempt-log.ts`
 * reads the lines; their fields, divided by tabs and `-` where absent: the attempt's number from 0, invocation, start and end in seconds with
 * nanoseconds, exit code that conmon wrote, then systemd's SERVICE_RESULT, EXIT_CODE and EXIT_STATUS, OOM kills, delay
 * before the next start in milliseconds, why it could not start, its termination message as base64.
 *
 * A launch that was stopped is no attempt; one that died without a word is.
 *
 * It fails when the container failed and systemd did not see it, so that the unit fails, and starts again by its policy.
 *
 * On a host so busy that TimeoutStopSec= does not do, systemd ends what runs by SIGTERM, and a whole TimeoutStopSec= later by
 * SIGKILL: the time is used.
 */
export function recordScript(input: LaunchInput): string {
  const { backoff } = input;
  return `${header(input)}
trap '' TERM
delete() {
  ${words(input, [...input.runtime, 'delete', '--force', input.id])} >/dev/null 2>&1
}
if [ ! -e "$state/started" ] && [ ! -s start-error ]; then
  if [ "\${SERVICE_RESULT:-success}" = success ]; then
    delete
    exit 0
  fi
  # conmon ends when it could not create the container, and systemd may then kill the launch before it has said why.
  if [ -e create.log ]; then
    while IFS= read -r line; do
      case $line in *'"level":"error"'*) printf '%s\\n' "$line" >start-error ;; esac
    done <create.log
  fi
  [ -s start-error ] || echo "The start was broken off: systemd says $SERVICE_RESULT." >start-error
fi
tab=$(printf '\\t')
code=-
started=-
finished=-
[ -e ${shellQuote(`exit/${input.id}`)} ] && read -r code <${shellQuote(`exit/${input.id}`)}
if [ -e "$state/started" ] && [ "$code" != - ]; then
  set -- $(stat -c %.9Y "$state/started" ${shellQuote(`exit/${input.id}`)})
  started=$1
  finished=$2
elif [ -e "$state/started" ]; then
  started=$(stat -c %.9Y "$state/started")
elif [ "$code" != - ]; then
  finished=$(stat -c %.9Y ${shellQuote(`exit/${input.id}`)})
fi
[ "$finished" = - ] && finished=$(date +%s.%N)
[ "$started" = - ] && started=$finished

oom=0
while IFS=: read -r number controllers path; do
  case ",$controllers," in
    *,memory,*) file=/sys/fs/cgroup/memory\${path%/.control}/memory.oom_control ;;
    ,,) file=/sys/fs/cgroup\${path%/.control}/memory.events ;;
    *) continue ;;
  esac
  [ -r "$file" ] || continue
  while read -r key value; do
    [ "$key" = oom_kill ] && [ "$value" -gt 0 ] && oom=$value
  done <"$file"
done </proc/self/cgroup

${shutdownCheck(input)}next=0
[ -s "$state/backoff" ] && read -r next <"$state/backoff"
[ $(((\${finished%.*} - \${started%.*}) * 1000)) -ge ${backoff.resetMs} ] && next=0
delay=$next
if [ "$next" -eq 0 ]; then next=${backoff.initialMs}; else next=$((next * 2)); fi
[ "$next" -gt ${backoff.maxMs} ] && next=${backoff.maxMs}
printf '%s\\n' "$next" >"$state/backoff"
if [ "$delay" -gt 0 ]; then
  printf '%d.%03d\\n' $((delay / 1000)) $((delay % 1000)) >"$state/delay"
fi

${readTerminationMessage(input.id, input.terminationMessage)}error=-
[ -s start-error ] && error=$(head -c ${KEPT_ERROR_BYTES} start-error | tr '\\n\\t' '  ')
number=0
if [ -e "$state/attempts" ]; then
  while IFS=$tab read -r last rest; do
    number=$((last + 1))
  done <"$state/attempts"
fi
(
  if [ -e "$state/attempts" ]; then
    tail -n ${KEPT_ATTEMPTS - 1} "$state/attempts" || exit 1
  fi
  printf '%s\\t' "$number" "\${INVOCATION_ID:--}" "$started" "$finished" "\${code:--}" "\${SERVICE_RESULT:--}" \\
    "\${EXIT_CODE:--}" "\${EXIT_STATUS:--}" "$oom" "$delay"
  printf '%s\\t' "$error"
  printf '%s\\n' "\${message:--}"
) >"$state/attempts.new" && mv "$state/attempts.new" "$state/attempts" && marker="$state/started"
delete
rm -f start-error create.log pid conmon.pid ${shellQuote(`exit/${input.id}`)} \${marker:+"$marker"}
[ "\${SERVICE_RESULT:-success}" != success ] || [ "$code" = - ] || [ "$code" = 0 ]
`;
}

/** Sets the result that `attempt-log.ts` reads as an end with the host. */
function shutdownCheck({ persist = false }: LaunchInput): string {
  if (!persist) return '';
  return `[ "$(systemctl is-system-running 2>/dev/null)" = stopping ] && SERVICE_RESULT=shutdown
`;
}

/**
 * Stops a container whose stop signal conmon does not forward (it does SIGTERM, SIGINT and SIGQUIT): sends the signal
 * to the first process, waits for its end as long as the grace is, then leaves the rest to systemd.
 */
export function stopScript(input: LaunchInput): string {
  const { terminationGraceMs } = input;
  // To timeout(1) a duration of 0 is none at all.
  const wait = `timeout ${terminationGraceMs / 1000} tail --pid="$pid" -s 0.05 -f /dev/null\n`;
  return `${header(input)}
pid=
[ ! -e pid ] || read -r pid <pid # no line feed at its end, so that read says 1
[ -n "$pid" ] || exit 0
${words(input, [...input.runtime, 'kill', input.id, input.stopSignal ?? 'TERM'])} || exit 0
${terminationGraceMs > 0 ? wait : ''}${words(input, [...input.runtime, 'kill', input.id, 'KILL'])} >/dev/null 2>&1
exit 0
`;
}

/** The layers' common directory, and their paths from there, joined for `lowerdir=`. */
export function overlayPaths(lowerDirs: readonly string[]): { base: string; lower: string } {
  const bases = new Set(lowerDirs.map((path) => dirname(path)));
  const [base] = bases;
  const escaped = (path: string) => path.replace(/[\\:,]/g, (character) => `\\${character}`);
  if (base === undefined || bases.size > 1) return { base: '/', lower: lowerDirs.map(escaped).join(':') };
  return { base, lower: lowerDirs.map((path) => escaped(basename(path))).join(':') };
}
