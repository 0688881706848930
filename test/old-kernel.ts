import { release } from 'node:os';
import { compareVersions } from '@podwright/core';

/** What the kernel of this host is too old for, by what conformance cases need, and why. Debian 12's own is 6.1. */
export const oldKernelLacks: { readonly userNamespaces?: string } =
  compareVersions(/^\d+\.\d+/.exec(release())?.[0] ?? '0', '6.3') < 0
    ? { userNamespaces: 'kernels before 6.3 cannot show a tmpfs with the users of a pod' }
    : {};
