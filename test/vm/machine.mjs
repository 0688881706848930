// Runs the virtual machine once: boots it, gives it its plan, takes its report.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { readText } from '../host/processes.mjs';
import { isInPath } from '../host/requirements.mjs';
import { finish, REPOSITORY } from '../host/throwaway-host.mjs';
import { writeBundle } from './bundle.mjs';
import { ensureImage, makeCheckoutDisk, VM_PACKAGES } from './image.mjs';

/** Of one machine. */
export const MACHINE_MEMORY_MB = 3072;

/** Why the machine cannot be run here, in one sentence; undefined when it can. */
export function whyNoMachine() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `the virtual machine is one of Linux on x86-64, and this is ${process.platform} on ${process.arch}`;
  if (process.getuid() !== 0)
    return 'making the disks of the virtual machine needs root: run it as root (sudo)';
  const missing = ['qemu-system-x86_64', 'mmdebstrap', 'mke2fs'].filter((program) => !isInPath(program));
  if (missing.length > 0)
    return `${missing.join(', ')} missing: install the packages ${Object.keys(VM_PACKAGES).join(' ')}`;
  return undefined;
}

/**
 * @param files test files to run, from the checkout's root
 * @param plan what `guest.mjs` does: `{vitest: [argument…], env}`, or `{command: [word…], env}` instead of vitest
 * @param options `{kernel, timeoutMs, signal, print}`; `kernel` as of `ensureImage`; `print` gets each line of its output
 * @returns `{exitCode, timedOut, report}`: vitest's exit code and report, or those of the command
 * @throws Error when the machine did not come to its end by itself, with the end of what its console said
 */
export async function runInMachine(files, plan, { kernel, timeoutMs, signal, print }) {
  const image = ensureImage(kernel);
  const bundle = await writeBundle(files, plan);
  const folder = mkdtempSync(join(tmpdir(), 'podwright-v2-'));
  try {
    const checkout = join(folder, 'checkout.img');
    makeCheckoutDisk(checkout);
    const ports = { consoleLog: join(folder, 'console.log'), results: join(folder, 'results.json') };
    // Its input stays open: at its end qemu takes the port for closed, and the guest's output waits for ever.
    const child = spawn('qemu-system-x86_64', machineArgs({ ...image, checkout, ...ports, bundle }), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    showOutput(child.stdout, bundle, print);
    const { timedOut } = await finish(child, { timeoutMs, signal }, () => child.kill('SIGKILL'));
    signal.throwIfAborted();
    const results = readText(ports.results);
    if (results) return { ...JSON.parse(results), timedOut };
    const tail = readText(ports.consoleLog)?.slice(-3000) ?? '';
    const what = timedOut ? `did not end within ${timeoutMs / 1000} s` : 'ended without a report';
    throw new Error(`the virtual machine ${what}; the end of its console:\n${tail}`);
  } finally {
    for (const each of [folder, bundle]) rmSync(each, { recursive: true, force: true });
  }
}

/** What the guest says, but for tests that a pattern leaves out, and for where the bundle lies. */
function showOutput(stdout, bundle, print) {
  createInterface({ input: stdout }).on('line', (line) => {
    if (!stripVTControlCharacters(line).startsWith(' ↓')) print(line.replaceAll(`${bundle}/`, ''));
  });
}

/**
 * Without the instruction CMPXCHG16B, which qemu 7.2 gets wrong: Linux 6.12 dies of it at once. Without a fifth level of page
 * tables, which costs time and gives nothing here.
 */
const PROCESSOR = 'max,cx16=off,la57=off';

function machineArgs({ disk, kernel, checkout, consoleLog, results, bundle }) {
  const words = [
    ...['root=/dev/nvme0n1', 'rw', 'console=ttyS0', 'quiet', 'panic=-1', 'systemd.show_status=0'],
    ...['mitigations=off', 'init_on_alloc=0', 'rcupdate.rcu_expedited=1', 'tsc=unstable'],
    'systemd.unified_cgroup_hierarchy=1',
    ...[`podwright.repository=${REPOSITORY}`, `podwright.run=${bundle}`],
  ].join(' ');
  const drive = (id, file) => ['-drive', `file=${file},format=raw,if=none,id=${id},snapshot=on,cache=unsafe`];
  const port = (nr, id) => ['-device', `virtserialport,nr=${nr},chardev=${id},name=podwright.${id}`];
  return [
    ...[
      '-M',
      'q35',
      '-cpu',
      PROCESSOR,
      '-accel',
      'tcg,thread=multi,tb-size=1024',
      '-m',
      String(MACHINE_MEMORY_MB),
      '-smp',
      '2',
    ],
    ...['-nodefaults', '-display', 'none', '-no-reboot', '-net', 'none', '-serial', `file:${consoleLog}`],
    // Before the disk: the names of its ports have its number among virtio's devices.
    ...['-device', 'virtio-serial', '-chardev', 'stdio,id=output,signal=off', ...port(1, 'output')],
    ...['-chardev', `file,id=results,path=${results}`, ...port(2, 'results')],
    // NVMe, since Debian's cloud kernels have it built in: so the machine needs no initramfs. The other disk is of another
    // kind, since newer kernels number two of a kind as they come.
    ...[...drive('root', disk), '-device', 'nvme,drive=root,serial=root'],
    ...[...drive('checkout', checkout), '-device', 'virtio-blk-pci,drive=checkout'],
    ...['-kernel', kernel, '-append', words],
  ];
}
