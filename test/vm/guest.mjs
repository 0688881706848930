// What runs inside the virtual machine: the registries of the tests, then vitest or a command. Started by
// podwright-guest.service; what it prints, and vitest's report, go out over virtio ports.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistries } from '../host/registry.mjs';

const RESULTS = '/dev/vport0p2';
const REPORT = '/run/podwright-report.json';

const started = Date.now();
const say = (text) => console.log(`guest: ${text} after ${((Date.now() - started) / 1000).toFixed(1)} s`);

const [, folder = ''] = /podwright\.run=(\S+)/.exec(readFileSync('/proc/cmdline', 'utf8')) ?? [];
const plan = JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8'));
Object.assign(process.env, plan.env);

await startRegistries();
say('the registries are up');
const [command, ...args] = plan.command ?? [
  ...[
    process.execPath,
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    join(folder, 'vitest.config.mjs'),
  ],
  ...['--reporter=verbose', '--reporter=json', `--outputFile.json=${REPORT}`, ...plan.vitest],
];
const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
say(`${error?.message ?? `the end with exit code ${status}`}`);
const report = existsSync(REPORT) ? JSON.parse(readFileSync(REPORT, 'utf8')) : null;
writeFileSync(RESULTS, JSON.stringify({ exitCode: status ?? 1, report }));
