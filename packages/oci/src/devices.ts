import { type ContainerSecurity, type Device, PodwrightError } from '@podwright/core';
import type { RuntimeFlavour } from './oci-runtime-command.js';
import type { OciDevice, OciDeviceRule } from './runtime-spec.js';

/** A device node of the host as a container gets it; `readDeviceNodes` makes these of `Device`s. */
export interface DeviceNode extends OciDevice {
  /** Some of `r`, `w`, `m`. */
  readonly permissions: string;
}

/** One line of a unit's DeviceAllow=, see systemd.resource-control(5). */
export interface DeviceAllow {
  /** A node below /dev, or `char-…` and `block-…` with the name of a group in /proc/devices. */
  readonly path: string;
  readonly permissions: string;
}

/** Nodes that the runtime makes in every container: runtime-spec, config-linux.md, "Default Devices". */
const DEFAULT_NODES: readonly { path: string; major: number; minor: number }[] = [
  { path: '/dev/null', major: 1, minor: 3 },
  { path: '/dev/zero', major: 1, minor: 5 },
  { path: '/dev/full', major: 1, minor: 7 },
  { path: '/dev/random', major: 1, minor: 8 },
  { path: '/dev/urandom', major: 1, minor: 9 },
  { path: '/dev/tty', major: 5, minor: 0 },
  { path: '/dev/ptmx', major: 5, minor: 2 },
];

/** The major numbers of UNIX98 pseudo terminals: 136 to 143 in devices.txt; crun and runc allow the first. */
const PTS_MAJOR = 136;

/** The part of `OciSpecInput` that devices depend on. */
export interface DeviceSettings {
  readonly config: { readonly security: Pick<ContainerSecurity, 'privileged'> };
  readonly deviceNodes: readonly DeviceNode[];
}

/**
 * What DeviceAllow= of the container's unit has to say, together with DevicePolicy=closed. It allows the same as
 * `deviceRules`: making nodes is harmless, opening one is what counts.
 * @param flavour runc always adds the node of /dev/net/tun to its own device cgroup, which on cgroup v1 fails below a
 *   unit that does not allow it
 */
export function deviceAllowList(
  { config, deviceNodes }: DeviceSettings,
  flavour: RuntimeFlavour = 'crun',
): readonly DeviceAllow[] {
  if (config.security.privileged === true) {
    return [
      { path: 'char-*', permissions: 'rwm' },
      { path: 'block-*', permissions: 'rwm' },
    ];
  }
  return [
    { path: 'char-*', permissions: 'm' },
    { path: 'block-*', permissions: 'm' },
    ...DEFAULT_NODES.map(({ path }) => ({ path, permissions: 'rwm' })),
    { path: 'char-pts', permissions: 'rwm' },
    ...(flavour === 'runc' ? [{ path: '/dev/char/10:200', permissions: 'rwm' }] : []),
    // By number: systemd takes this form as it stands, whether or not such a node exists below the host's /dev.
    ...byNumber(deviceNodes).map(({ type, major, minor, permissions }) => ({
      path: `/dev/${type === 'c' ? 'char' : 'block'}/${major}:${minor}`,
      permissions,
    })),
  ];
}

/** The same for runtimes that keep a device cgroup themselves. */
export function deviceRules({ config, deviceNodes }: DeviceSettings): readonly OciDeviceRule[] {
  if (config.security.privileged === true) return [{ allow: true, access: 'rwm' }];
  return [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', access: 'm' },
    { allow: true, type: 'b', access: 'm' },
    ...DEFAULT_NODES.map(
      ({ major, minor }): OciDeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' }),
    ),
    { allow: true, type: 'c', major: PTS_MAJOR, access: 'rwm' },
    ...byNumber(deviceNodes).map(
      ({ type, major, minor, permissions }): OciDeviceRule => ({
        allow: true,
        type,
        major,
        minor,
        access: permissions,
      }),
    ),
  ];
}

/** The nodes to make in the container beside the runtime's own. */
export function ociDevices({ deviceNodes }: DeviceSettings): readonly OciDevice[] {
  return deviceNodes.map(({ permissions: _, ...node }) => node);
}

/** @throws PodwrightError kind `invalid-argument` for a permission other than `r`, `w`, `m`, or a relative path */
export function checkDevice(device: Device): void {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `The device ${device.hostPath} cannot be given: ${why}.`, {
      details: { device },
    });
  };
  if (!/^(?!.*(.).*\1)[rwm]{1,3}$/.test(device.permissions)) {
    fail(`its permissions "${device.permissions}" are not some of "r", "w" and "m"`);
  }
  if (!device.hostPath.startsWith('/')) fail('its host path has to begin with "/"');
  if (!device.containerPath.startsWith('/')) {
    fail(`its path in the container, "${device.containerPath}", has to begin with "/"`);
  }
}

/**
 * Devices of the host, each once, with all that any of its nodes allows: of two lines for one device systemd keeps the
 * last, and the kernel does not know by which name it is opened.
 */
function byNumber(nodes: readonly DeviceNode[]): readonly DeviceNode[] {
  const devices = new Map<string, DeviceNode>();
  for (const node of nodes) {
    const key = `${node.type} ${node.major}:${node.minor}`;
    const permissions = new Set([...(devices.get(key)?.permissions ?? ''), ...node.permissions]);
    devices.set(key, { ...node, permissions: [...permissions].join('') });
  }
  return [...devices.values()];
}
