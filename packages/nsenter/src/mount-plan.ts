import { PROPAGATIONS, type Propagation } from './mounter.js';

/** What a mount is asked for. */
export interface MountRequest {
  readonly source: string;
  readonly target: string;
  readonly fstype?: string | undefined;
  readonly options: readonly string[];
  readonly sensitiveOptions?: readonly string[];
  readonly noCanonicalize?: boolean;
}

/** The steps of a mount, in this order. */
export interface MountPlan {
  readonly first: MountRequest;
  /** Of a bind mount: options that the kernel only takes for a mount that is there. */
  readonly remount?: MountRequest;
  readonly propagations: readonly Propagation[];
}

/** Those of a mount and not of its file system: a bind mount has its own. @see mount(8) */
const PER_MOUNT_OPTIONS: ReadonlySet<string> = new Set([
  'ro',
  'nosuid',
  'nodev',
  'noexec',
  'noatime',
  'nodiratime',
  'relatime',
  'nosymfollow',
]);

/** File systems of the kernel alone. No helper is run for them, which could leave a daemon. */
const WITHOUT_HELPER: ReadonlySet<string> = new Set([
  ...[
    'bpf',
    'cgroup',
    'cgroup2',
    'configfs',
    'debugfs',
    'devpts',
    'devtmpfs',
    'hugetlbfs',
    'mqueue',
    'overlay',
  ],
  ...['proc', 'pstore', 'ramfs', 'securityfs', 'sysfs', 'tmpfs', 'tracefs'],
]);

/** Arguments of mount(8). */
export function mountArguments({
  source,
  target,
  fstype,
  options,
  sensitiveOptions = [],
  noCanonicalize = false,
}: MountRequest): string[] {
  const all = [...options, ...sensitiveOptions];
  return [
    ...(noCanonicalize ? ['--no-canonicalize'] : []),
    ...(fstype === undefined || fstype === '' ? [] : ['-t', fstype]),
    ...(all.length === 0 ? [] : ['-o', all.join(',')]),
    '--',
    source,
    target,
  ];
}

/** Arguments of mount(8) that change the propagation of a mount. */
export function propagationArguments(target: string, propagation: Propagation): string[] {
  return [`--make-${propagation}`, '--', target];
}

/** Takes a request apart into steps that the kernel can do. */
export function bindPlan(request: MountRequest): MountPlan {
  const { source, target, sensitiveOptions = [], noCanonicalize = false } = request;
  const paths = { source, target, noCanonicalize };
  const propagations = request.options.filter(isPropagation);
  const others = request.options.filter((option) => option !== '' && !isPropagation(option));
  const isRemount = others.includes('remount');
  const bind = isRemount ? undefined : others.findLast((option) => option === 'bind' || option === 'rbind');
  if (bind === undefined) return { first: { ...request, options: others }, propagations };
  // `defaults` and `rw` ask for nothing that a bind mount has not, but `rw` lifts the `ro` of its source.
  const rest = others.filter((option) => !['bind', 'rbind', 'defaults'].includes(option));
  return {
    first: { ...paths, options: [bind] },
    ...(rest.length + sensitiveOptions.length === 0
      ? {}
      : { remount: { ...paths, options: ['remount', 'bind', ...rest], sensitiveOptions } }),
    propagations,
  };
}

/**
 * The remount of a bind mount that keeps what the mount has from its source: the kernel would drop every option that is
 * not named, nosuid among them.
 * @param current options of the mount now
 */
export function keepOptions(remount: MountRequest, current: readonly string[]): MountRequest {
  const kept = current.filter((option) => PER_MOUNT_OPTIONS.has(option) && !remount.options.includes(option));
  // Of two that contradict each other mount(8) takes the later one.
  return { ...remount, options: [...kept, ...remount.options] };
}

/** Whether mount(8) may run a helper for it, which may leave a daemon behind. */
export function mayLeaveDaemon({ fstype, options }: MountRequest): boolean {
  if (options.some((option) => ['bind', 'rbind', 'remount', 'move'].includes(option))) return false;
  return fstype === undefined || !WITHOUT_HELPER.has(fstype);
}

/** What must not be seen of sensitive options: each whole, and what is behind its `=`. */
export function sensitiveTexts(options: readonly string[]): string[] {
  const each = options.flatMap((option) => [option, ...option.split(',')]);
  return [...new Set(each)].flatMap((option) => {
    const equals = option.indexOf('=');
    return equals < 0 ? [option] : [option, option.slice(equals + 1)];
  });
}

function isPropagation(option: string): option is Propagation {
  return PROPAGATIONS.some((each) => each === option);
}
