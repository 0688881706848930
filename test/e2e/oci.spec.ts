import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  type ContainerConfig,
  type ExecSession,
  Logger,
  type OciImageConfig,
  PodwrightError,
  silentLogger,
} from '@podwright/core';
import { HostExecutor, nsenterModule } from '@podwright/nsenter';
import {
  buildExecProcess,
  buildOciSpec,
  capabilitiesOfMask,
  collectExec,
  ExecHandler,
  type OciHostFacts,
  type OciProcess,
  type OciPrograms,
  OciRuntime,
  type OciSandbox,
  type OciSpec,
  ociModule,
  opaqueDirectories,
  type RuntimeFlavour,
  readDeviceNodes,
  readHostFacts,
  readImageFile,
  resolveUser,
  runtimeCreate,
  runtimeDelete,
  runtimeStart,
  runtimeState,
  SeccompProfiles,
} from '@podwright/oci';
import { Container } from 'inversify';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

const APPLETS =
  'sh cat echo sleep stty id ls true head kill ps seq env tty touch mount ip od sysctl hostname'.split(' ');
const WAIT = { timeout: 20_000, interval: 5 };
const IMAGE: OciImageConfig = { config: { Cmd: ['sleep', '10000'], Env: ['FROM=image', 'BOTH=image'] } };

let directory: string;
let rootfs: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwright-oci-'));
  rootfs = join(directory, 'rootfs');
  for (const name of ['bin', 'etc', 'tmp', 'home/web']) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
  for (const applet of APPLETS) linkSync(join(rootfs, 'bin/busybox'), join(rootfs, 'bin', applet));
  writeFileSync(join(rootfs, 'bin/garbage'), 'no program');
  chmodSync(join(rootfs, 'bin/garbage'), 0o755);
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nweb:x:33:33::/home/web:/bin/sh\n');
  writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\nweb:x:33:\nextra:x:44:web\n');
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Started {
  readonly id: string;
  readonly pid: number;
  readonly spec: OciSpec;
  readonly bundle: string;
}

interface Tools {
  readonly executor: HostExecutor;
  readonly exec: ExecHandler;
  readonly programs: OciPrograms;
  readonly host: OciHostFacts;
  readonly seccomp: SeccompProfiles;
}

async function tools(flavour: RuntimeFlavour): Promise<Tools> {
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  await container.load(nsenterModule({ mode: 'local' }), ociModule({ flavour }));
  const executor = container.get(HostExecutor);
  return {
    executor,
    exec: container.get(ExecHandler),
    seccomp: container.get(SeccompProfiles),
    programs: await container.get(OciRuntime).find(),
    host: await readHostFacts(executor),
  };
}

let counter = 0;

async function startContainer(
  { executor, programs, host, seccomp }: Tools,
  own: Partial<ContainerConfig> = {},
  sandbox: Partial<OciSandbox> = {},
): Promise<Started> {
  const id = `podwright-oci-e2e-${process.pid}-${++counter}`;
  const bundle = mkdtempSync(join(directory, 'bundle-'));
  const config: ContainerConfig = {
    metadata: { name: 'test', attempt: 0 },
    image: 'test',
    env: [],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    resources: {},
    security: {},
    restart: { by: 'caller' },
    terminationGraceMs: 1000,
    ...own,
  };
  const files = {
    passwd: readFileSync(join(rootfs, 'etc/passwd'), 'utf8'),
    group: readFileSync(join(rootfs, 'etc/group'), 'utf8'),
  };
  const filter = await seccomp.load(config.security, host);
  const spec = buildOciSpec({
    config,
    sandbox: {
      namespaces: { network: 'new', ipc: 'new', uts: 'new', pid: 'new' },
      hostname: 'pod',
      ...sandbox,
    },
    image: IMAGE,
    user: resolveUser(files, IMAGE.config?.User, config.security),
    rootfsPath: rootfs,
    deviceNodes: await readDeviceNodes(executor, config.devices),
    ...(filter !== undefined && { seccomp: filter }),
    host,
  });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec), { mode: 0o600 });
  onTestFinished(async () => {
    await executor.run({ ...runtimeDelete(programs.runtime, id, { force: true }), okExitCodes: 'any' });
  });
  await executor.run(runtimeCreate(programs.runtime, { id, bundle }));
  await executor.run(runtimeStart(programs.runtime, id));
  const { stdout } = await executor.run(runtimeState(programs.runtime, id));
  const pid = Number(JSON.parse(stdout.toString()).pid);
  // The runtime lets its process go; that executes the program a moment later.
  const program = spec.process.args.join('\0');
  await expect.poll(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), WAIT).toContain(program);
  return { id, bundle, spec, pid };
}

function statusOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2)).map(([k = '', v = '']) => [k, v]));
}

function environmentOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
}

interface ExecSetup extends Partial<Parameters<typeof buildExecProcess>[1]> {
  readonly stdin?: boolean;
  readonly attach?: (pid: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

function execIn(
  tool: Tools,
  container: Started,
  command: readonly string[],
  setup: ExecSetup = {},
): Promise<ExecSession> {
  const first: OciProcess = container.spec.process;
  return tool.exec.exec({
    runtime: tool.programs.runtime,
    id: container.id,
    process: buildExecProcess(first, { ...setup, command }),
    seccomp: container.spec.linux.seccomp !== undefined,
    first: { pid: container.pid, unit: 'none' },
    directory: container.bundle,
    attach: setup.attach ?? (() => Promise.resolve()),
    stdin: setup.stdin ?? false,
    ...(setup.terminalSize !== undefined && { terminalSize: setup.terminalSize }),
    ...(setup.signal !== undefined && { signal: setup.signal }),
  });
}

async function output(tool: Tools, container: Started, command: readonly string[], setup: ExecSetup = {}) {
  const result = await collectExec(await execIn(tool, container, command, setup), {}, silentLogger);
  return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), exitCode: result.exitCode };
}

/** Collects what a stream gives; `until` resolves when a text has come. */
function listen(stream: Readable): { text: () => string; until: (wanted: string) => Promise<void> } {
  let text = '';
  stream.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    stream.emit('heard');
  });
  const until = (wanted: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (text.includes(wanted)) resolve();
      };
      stream.on('heard', check);
      stream.once('end', () => reject(new Error(`"${wanted}" did not come, but: ${JSON.stringify(text)}`)));
      check();
    });
  return { text: () => text, until };
}

async function kindOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return PodwrightError.is(error) ? { kind: error.kind, message: error.message } : error;
  }
}

const FLAVOURS: readonly RuntimeFlavour[] = ['crun', 'runc'];

describe.each(FLAVOURS)('a container of %s', (flavour) => {
  let tool: Tools;
  beforeAll(async () => {
    tool = await tools(flavour);
  });

  it('has the default capabilities, a seccomp filter, and a private view of everything', async () => {
    const container = await startContainer(tool);
    const status = statusOf(container.pid);
    expect(capabilitiesOfMask(status['CapBnd'] ?? '')).toEqual(container.spec.process.capabilities.bounding);
    expect(capabilitiesOfMask(status['CapEff'] ?? '')).toHaveLength(14);
    expect(status).toMatchObject({
      CapInh: '0'.repeat(16),
      CapAmb: '0'.repeat(16),
      Seccomp: '2',
      NoNewPrivs: '0',
    });
    expect(status['Uid']).toBe('0\t0\t0\t0');
    for (const name of ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup']) {
      const [inside, outside] = [container.pid, 'self'].map((pid) =>
        execFileSync('readlink', [`/proc/${pid}/ns/${name}`]).toString(),
      );
      expect(inside, name).not.toBe(outside);
    }
    const { stdout } = await output(tool, container, [
      'sh',
      '-c',
      'hostname; ls /dev; cat /proc/timer_list | head -1; id -u',
    ]);
    expect(stdout).toContain('pod\n');
    expect(stdout).toMatch(/\nnull\n/);
    expect(stdout).toMatch(/0\n$/);
    const mounts = readFileSync(`/proc/${container.pid}/mounts`, 'utf8');
    expect(mounts).toMatch(/ \/sys sysfs ro,/);
    expect(mounts).toMatch(/ \/proc\/sys proc ro,/);
    expect(mounts).toMatch(/ \/dev\/shm tmpfs /);
    expect(mounts).toMatch(/ \/sys\/fs\/cgroup.* ro,/);
    expect((await output(tool, container, ['touch', '/proc/sys/kernel/panic'])).exitCode).not.toBe(0);
    expect((await output(tool, container, ['head', '-c1', '/proc/keys'])).stdout).toBe('');
  });

  it('runs as the user of the image with its groups, home and no capability, also in exec', async () => {
    const container = await startContainer(tool, {
      security: {
        runAsUserName: 'web',
        supplementalGroups: [55],
        allowPrivilegeEscalation: false,
        dropCapabilities: ['ALL'],
      },
      env: [{ name: 'BOTH', value: 'a "quoted" $HOME %n\nand a line é' }],
      workingDir: '/made/by/runtime',
    });
    const status = statusOf(container.pid);
    expect(status).toMatchObject({ Uid: '33\t33\t33\t33', Gid: '33\t33\t33\t33', NoNewPrivs: '1' });
    expect(status['Groups']?.trim()).toBe('33 44 55');
    expect(status).toMatchObject({ CapBnd: '0'.repeat(16), CapEff: '0'.repeat(16), CapPrm: '0'.repeat(16) });
    expect(environmentOf(container.pid)).toEqual(
      expect.arrayContaining([
        'FROM=image',
        'BOTH=a "quoted" $HOME %n\nand a line é',
        'HOME=/home/web',
        'HOSTNAME=pod',
      ]),
    );
    const { stdout } = await output(tool, container, ['sh', '-c', 'cat /proc/self/status; pwd; env']);
    expect(stdout).toMatch(/^CapBnd:\t0{16}$/m);
    expect(stdout).toMatch(/^Seccomp:\t2$/m);
    expect(stdout).toMatch(/^NoNewPrivs:\t1$/m);
    expect(stdout).toMatch(/^Uid:\t33\t/m);
    expect(stdout).toMatch(/^Groups:\t33 44 55 ?$/m);
    expect(stdout).toContain('/made/by/runtime\n');
    expect(stdout).toContain('FROM=image\n');
  });

  it('has all that the host can give when privileged', async () => {
    const container = await startContainer(tool, { security: { privileged: true } });
    const status = statusOf(container.pid);
    expect(capabilitiesOfMask(status['CapEff'] ?? '')).toEqual(tool.host.capabilities);
    expect(status['Seccomp']).toBe('0');
    const mounts = readFileSync(`/proc/${container.pid}/mounts`, 'utf8');
    expect(mounts).toMatch(/ \/sys sysfs rw,/);
    expect(mounts).not.toMatch(/ \/proc\/sys /);
  });

  it('sees its volumes with the propagation they ask for, devices and a read-only root', async () => {
    const source = mkdtempSync(join(directory, 'volume-'));
    writeFileSync(join(source, 'file'), 'content');
    execFileSync('mount', ['-t', 'tmpfs', 'shared', source]);
    execFileSync('mount', ['--make-shared', source]);
    onTestFinished(() => void execFileSync('umount', ['-R', source]));
    writeFileSync(join(source, 'file'), 'content');
    mkdirSync(join(source, 'sub'));
    const container = await startContainer(tool, {
      security: { readOnlyRootFilesystem: true },
      mounts: [
        { hostPath: source, containerPath: '/a/b', readOnly: true },
        { hostPath: source, containerPath: '/slave', propagation: 'host-to-container' },
      ],
      devices: [{ hostPath: '/dev/zero', containerPath: '/dev/given', permissions: 'r' }],
    });
    execFileSync('mount', ['-t', 'tmpfs', 'late', join(source, 'sub')]);
    const script =
      'cat /a/b/file; touch /a/b/x || echo " ro volume"; touch /x || echo "ro root"; ' +
      'head -c 2 /dev/given | od -An -tx1; cat /proc/self/mounts';
    const { stdout } = await output(tool, container, ['sh', '-c', script]);
    expect(stdout).toMatch(/^content ro volume\nro root\n 00 00\n/);
    expect(stdout).toContain('late /slave/sub tmpfs');
    expect(stdout).not.toContain('late /a/b/sub');
  });
});

describe.each(FLAVOURS)('exec through %s', (flavour) => {
  let tool: Tools;
  beforeAll(async () => {
    tool = await tools(flavour);
  });

  it('gives both streams, the exit code, and 128 + n for a signal', async () => {
    const container = await startContainer(tool);
    expect(await output(tool, container, ['sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 7,
    });
    expect((await output(tool, container, ['sh', '-c', 'kill -9 $$'])).exitCode).toBe(137);
    for (const exitCode of [126, 127, 255]) {
      expect((await output(tool, container, ['sh', '-c', `exit ${exitCode}`])).exitCode).toBe(exitCode);
    }
    expect(readdirSync(container.bundle)).toEqual(['config.json']);
  });

  it('runs many commands at once, each with its own output and exit code', async () => {
    const container = await startContainer(tool);
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    const results = await Promise.all(
      numbers.map((number) =>
        output(tool, container, ['sh', '-c', `echo ${number}; exit ${number}`], { tty: number % 4 === 0 }),
      ),
    );
    expect(results).toEqual(
      numbers.map((number) => ({
        stdout: number % 4 === 0 ? `${number}\r\n` : `${number}\n`,
        stderr: '',
        exitCode: number,
      })),
    );
  });

  it('passes standard input on from its first byte, and its end', async () => {
    const container = await startContainer(tool);
    const session = await execIn(tool, container, ['cat'], { stdin: true });
    const bytes = Buffer.alloc(300_000, Buffer.from(Array.from({ length: 256 }, (_, index) => index)));
    session.stdin?.end(bytes);
    const { stdout, exitCode } = await collectExec(session, {}, silentLogger);
    expect(exitCode).toBe(0);
    expect(stdout.equals(bytes)).toBe(true);
    expect(await output(tool, container, ['cat'])).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it('holds the command back until it was attached, and never runs it when that fails', async () => {
    const container = await startContainer(tool);
    const marker = join(rootfs, 'tmp', `${flavour}-marker`);
    const setup: ExecSetup = {
      attach: async (pid) => {
        expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toMatch(/^sh\0/);
        throw new Error('no such unit');
      },
    };
    await expect(execIn(tool, container, ['touch', `/tmp/${flavour}-marker`], setup)).rejects.toThrow(
      'no such unit',
    );
    expect(() => readFileSync(marker)).toThrow('ENOENT');
    expect(readdirSync(container.bundle)).toEqual(['config.json']);
  });

  it('tells a command that cannot be executed from one that fails', async () => {
    const container = await startContainer(tool);
    expect(await kindOf(output(tool, container, ['no-such-program']))).toEqual({
      kind: 'command-failed',
      message: expect.stringMatching(/no-such-program.*not found/),
    });
    expect(await kindOf(output(tool, container, ['/etc/passwd']))).toMatchObject({ kind: 'command-failed' });
    expect(await kindOf(output(tool, container, ['no-such-program'], { tty: true }))).toMatchObject({
      kind: 'command-failed',
      message: expect.stringMatching(/not found/),
    });
    process.kill(container.pid, 'SIGKILL');
    await expect
      .poll(() => kindOf(output(tool, container, ['true'])), WAIT)
      .toMatchObject({ kind: 'failed-precondition' });
  });

  it('kills the command and its children at a time-out, and nothing else', async () => {
    const container = await startContainer(tool);
    const session = await execIn(tool, container, [
      'sh',
      '-c',
      'sleep 4321 & (sleep 4321 &) ; echo up; sleep 4321',
    ]);
    expect(await kindOf(collectExec(session, { timeoutMs: 1500 }, silentLogger))).toMatchObject({
      kind: 'timeout',
    });
    expect(await session.exitCode).toBe(137);
    const { stdout } = await output(tool, container, ['ps']);
    expect(stdout).not.toContain('4321');
    expect(stdout).toContain('sleep 10000');
  });

  it('is cancelled by its signal, before and while it runs', async () => {
    const container = await startContainer(tool);
    expect(await kindOf(execIn(tool, container, ['true'], { signal: AbortSignal.abort() }))).toMatchObject({
      kind: 'cancelled',
    });
    const abort = new AbortController();
    const session = await execIn(tool, container, ['sleep', '4321'], { signal: abort.signal });
    abort.abort();
    expect(await session.exitCode).toBe(137);
  });

  it('gives a terminal of the size asked for, with the end of the input as Ctrl-D', async () => {
    const container = await startContainer(tool);
    const script = 'tty; stty size; echo "$TERM"; while read line; do echo "got $line"; done; exit 9';
    const session = await execIn(tool, container, ['sh', '-c', script], {
      tty: true,
      stdin: true,
      terminalSize: { rows: 33, columns: 101 },
    });
    expect(session.stderr).toBeUndefined();
    const heard = listen(session.stdout);
    await heard.until('xterm\r\n');
    session.stdin?.write('one\n');
    await heard.until('got one');
    session.stdin?.end('two\n');
    expect(await session.exitCode).toBe(9);
    // Each line once by the terminal's echo, once by the command.
    expect(heard.text().split('\r\n')).toEqual([
      '/dev/pts/0',
      '33 101',
      'xterm',
      'one',
      'got one',
      'two',
      'got two',
      '',
    ]);
    expect(await output(tool, container, ['cat'], { tty: true })).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it('resizes a terminal while the command runs', async () => {
    const container = await startContainer(tool);
    const script = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done';
    const session = await execIn(tool, container, ['sh', '-c', script], { tty: true });
    const heard = listen(session.stdout);
    await heard.until('ready\r\n');
    await session.resize({ rows: 40, columns: 120 });
    await heard.until('40 120\r\n');
    await session.resize({ rows: 41, columns: 200 });
    await heard.until('41 200\r\n');
    expect(await kindOf(session.resize({ rows: -1, columns: 1 }))).toMatchObject({
      kind: 'invalid-argument',
    });
    await session.kill();
    expect(await session.exitCode).toBe(137);
    await session.resize({ rows: 1, columns: 1 });
    const pipes = await execIn(tool, container, ['sleep', '4321']);
    expect(await kindOf(pipes.resize({ rows: 1, columns: 1 }))).toMatchObject({
      kind: 'failed-precondition',
    });
    await pipes.kill();
  });

  it('passes Ctrl-C on as a signal of the terminal', async () => {
    const container = await startContainer(tool);
    const session = await execIn(
      tool,
      container,
      ['sh', '-c', 'trap "echo caught; exit 3" INT; echo ready; while :; do sleep 0.05; done'],
      { tty: true, stdin: true },
    );
    const heard = listen(session.stdout);
    await heard.until('ready');
    session.stdin?.write('\x03');
    expect(await session.exitCode).toBe(3);
    expect(heard.text()).toContain('caught');
  });

  it('gives the whole output of commands on a terminal that end at once', async () => {
    const container = await startContainer(tool);
    const expected = Array.from({ length: 4000 }, (_, index) => `${index + 1}\r\n`).join('');
    for (let round = 0; round < 20; round++) {
      expect(await output(tool, container, ['seq', '1', '4000'], { tty: true })).toEqual({
        stdout: expected,
        stderr: '',
        exitCode: 0,
      });
    }
  });
});

// What runc's exec cannot: see packages/oci/README.md.
describe('exec through crun only', () => {
  let tool: Tools;
  beforeAll(async () => {
    tool = await tools('crun');
  });

  it('does not wait for a child that keeps the output open', async () => {
    const container = await startContainer(tool);
    expect(await output(tool, container, ['sh', '-c', 'sleep 4321 & echo done'])).toMatchObject({
      stdout: 'done\n',
      exitCode: 0,
    });
  });

  it('tells a program that the kernel refuses from one that fails', async () => {
    const container = await startContainer(tool);
    expect(await kindOf(output(tool, container, ['garbage']))).toMatchObject({
      kind: 'command-failed',
      message: expect.stringMatching(/format error/i),
    });
  });

  it('carries raw bytes both ways over a terminal', async () => {
    const container = await startContainer(tool);
    const session = await execIn(tool, container, ['sh', '-c', 'stty raw -echo; echo ready; head -c 25600'], {
      tty: true,
      stdin: true,
    });
    const heard = listen(session.stdout);
    await heard.until('ready\n');
    const bytes = Buffer.from(Array.from({ length: 25_600 }, (_, index) => index % 256));
    session.stdin?.write(bytes);
    expect(await session.exitCode).toBe(0);
    expect(Buffer.from(heard.text().slice('ready\n'.length), 'latin1').equals(bytes)).toBe(true);
  });
});

describe('files of an image', () => {
  it('are read as overlayfs shows them, without a mount', async () => {
    const { executor } = await tools('crun');
    // An upper directory cannot lie on an overlay; the host's /tmp is a tmpfs.
    const base = mkdtempSync(join(directory, 'layers-'));
    const [lower = '', upper = '', work = '', merged = ''] = ['lower', 'upper', 'work', 'merged'].map(
      (name) => {
        mkdirSync(join(base, name));
        return join(base, name);
      },
    );
    for (const name of ['a', 'b', 'c']) {
      mkdirSync(join(lower, name));
      for (const file of ['kept', 'gone']) writeFileSync(join(lower, name, file), `${name}/${file}`);
    }
    execFileSync('mount', [
      '-t',
      'overlay',
      'x',
      '-o',
      `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
      merged,
    ]);
    onTestFinished(() => void execFileSync('umount', [merged]));
    rmSync(join(merged, 'a/gone'));
    rmSync(join(merged, 'b'), { recursive: true });
    mkdirSync(join(merged, 'b'));
    writeFileSync(join(merged, 'b/new'), 'b/new');
    rmSync(join(merged, 'c'), { recursive: true });
    writeFileSync(join(merged, 'c'), 'a file now');

    const isOpaque = opaqueDirectories(executor, (path) => path);
    for (const path of ['a/kept', 'a/gone', 'b/kept', 'b/new', 'c', 'c/kept']) {
      const shown = existsSync(join(merged, path)) ? readFileSync(join(merged, path), 'utf8') : undefined;
      const read = await readImageFile([upper, lower], path, { isOpaque });
      expect(read?.toString(), path).toBe(shown);
    }
  });
});
