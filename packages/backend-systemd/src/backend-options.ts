import { PodwrightError, parseOptions, restartBackoffOption } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import { z } from 'zod';
import { checkBinaries } from './host-binaries.js';

const absolutePath = z.string().startsWith('/', 'has to be an absolute path on the host');

/** Options of the systemd backend, as they stand under `backendOptions`. */
export const systemdBackendOptionsSchema = z.strictObject({
  binaries: z
    .record(z.string(), absolutePath)
    .default({})
    .describe(
      'paths of programs that the agent runs, by name, such as {"crun": "/opt/crun"}; the others are looked up in $PATH',
    ),
  ociRuntime: z.enum(['crun', 'runc']).default('crun').describe('`crun` or `runc`'),
  execHandler: z
    .enum(['oci', 'nsenter'])
    .default('oci')
    .describe(
      'how commands enter containers: `oci`, through the OCI runtime, or `nsenter`, by the PID of their first process',
    ),
  allowUnconfined: z
    .boolean()
    .default(false)
    .describe(
      'with `nsenter`: commands run as root also in containers whose seccomp filter or labels they then lack',
    ),
  inContainer: z
    .strictObject({ hostRoot: absolutePath.default('/rootfs') })
    .optional()
    .describe(
      'the agent itself runs in a container, with the root of the host at `hostRoot`, default /rootfs',
    ),
  dbusAddress: z
    .string()
    .min(1)
    .optional()
    .describe('of the bus that systemd is on; default: the system bus, in a container that below `hostRoot`'),
  restartBackoff: restartBackoffOption,
  supervisedRestart: z
    .boolean()
    .default(true)
    .describe('systemd restarts containers, also while no agent lives; false: the agent does'),
  startTimeoutMs: z.int().min(1).default(120_000).describe('time for the start of a container'),
  insecureRegistries: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'registries reached without checking certificates, or over plain HTTP; those on loopback are, too',
    ),
  insecurePolicy: z.boolean().default(false).describe('take images without asking policy.json'),
  signaturePolicy: absolutePath.optional().describe("path of a policy.json(5); default: the host's"),
  authFile: absolutePath
    .optional()
    .describe("containers-auth.json(5) for pulls that bring no credentials; default: the host's own files"),
  pinnedImages: z
    .array(z.string().min(1))
    .default([])
    .describe('images that garbage collection leaves alone: names, ids, or patterns with *'),
  imageStore: z
    .strictObject({ root: absolutePath, runRoot: absolutePath })
    .optional()
    .describe(
      "`root` and `runRoot` of a store; default: the host's own containers-storage, shared with podman",
    ),
  unitDir: absolutePath
    .default('/etc/systemd/system')
    .describe('where unit files of pods that come back after a reboot are written; one that systemd reads'),
  cniConfDir: absolutePath
    .optional()
    .describe('networks of pods; see @podwright/sandbox for this and the next two'),
  cniBinDirs: z.array(absolutePath).min(1).optional().describe('where CNI plugins lie'),
  defaultNetwork: z
    .boolean()
    .default(true)
    .describe(
      'whether pods get a network of ours where none is configured; otherwise they cannot be run until one is',
    ),
  defaultSubnet: z.string().optional().describe('addresses of the default network, in CIDR form'),
  defaultBridge: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/, 'has to be the name of an interface')
    .optional()
    .describe('interface of the default network; two agents on one host need one each, and a subnet'),
  keepNetworkMs: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0)
    .describe('how long the default network stays on the host after its last pod, for the next one'),
  seccompProfile: absolutePath.optional().describe("default: the host's /usr/share/containers/seccomp.json"),
  seccompProfileRoot: absolutePath
    .optional()
    .describe(
      'below it lie the profiles that pods name (Localhost); default: `seccomp` in the state directory',
    ),
  appArmorProfile: z
    .string()
    .min(1)
    .optional()
    .describe('a loaded AppArmor profile, for containers that name none or RuntimeDefault; default: none'),
  userNamespaceIds: z
    .union([
      z.strictObject({ first: z.int().min(1), count: z.int().min(65_536) }),
      z.strictObject({ user: z.string().min(1) }),
    ])
    .optional()
    .describe(
      'ids of the host for pods with users of their own, 65536 each: `first` and `count`, or a `user` of /etc/subuid and /etc/subgid; default: 1879048192 and up; two agents on one host need other ids each',
    ),
});

export type SystemdBackendOptions = z.output<typeof systemdBackendOptionsSchema>;

export const SystemdBackendOptions: ServiceIdentifier<SystemdBackendOptions> = Symbol.for(
  'podwright.backend-systemd.SystemdBackendOptions',
);

/** @throws PodwrightError kind `invalid-argument` that names each wrong option */
export function parseBackendOptions(options: Readonly<Record<string, unknown>>): SystemdBackendOptions {
  const parsed = parseOptions(systemdBackendOptionsSchema, options, 'the options of the systemd backend');
  checkBinaries(parsed.binaries);
  if (parsed.allowUnconfined && parsed.execHandler !== 'nsenter') {
    throw new PodwrightError(
      'invalid-argument',
      'In the options of the systemd backend: allowUnconfined is for execHandler nsenter only, the handler oci confines ' +
        'every command. Leave it out, or set execHandler to nsenter.',
    );
  }
  return parsed;
}
