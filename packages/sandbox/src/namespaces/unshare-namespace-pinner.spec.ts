import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostExecutor, RunCommand } from '@podwright/nsenter';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { UnshareNamespacePinner } from './unshare-namespace-pinner.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwright-pinner-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs what is run inside the new namespaces, here, with a `hostname` that only notes its arguments. */
async function runInside({ args }: RunCommand): Promise<void> {
  const words = args.slice(args.indexOf('--') + 2);
  writeFileSync(join(folder, 'hostname'), `#!/bin/sh\nprintf '%s\\n' "$@" >${folder}/arguments\n`, {
    mode: 0o755,
  });
  // Nothing else is found: no program of this machine is to change it.
  execFileSync('/bin/sh', words, { env: { PATH: folder } });
}

it.each(['web', '-F/etc/shadow'])('the host name %j is no option of hostname(1)', async (hostname) => {
  const executor: HostExecutor = {
    run: async (command) => {
      await runInside(command);
      return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 };
    },
    start: () => Promise.reject(new Error('not needed')),
    which: async () => undefined,
    hostPath: (path) => path,
  };
  const paths = { uts: join(folder, 'uts') };
  await new UnshareNamespacePinner(executor).pin({ paths, hostname, sysctls: [], idMappings: [] });
  expect(readFileSync(join(folder, 'arguments'), 'utf8')).toBe(`--\n${hostname}\n`);
});
