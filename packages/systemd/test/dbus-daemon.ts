import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real dbus-daemon of a test, on a socket in its own temporary directory. */
export class DbusDaemon {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly command: readonly [string, ...string[]],
  ) {}

  /** @param options `matchRules`: how many rules one client may have; `wrapper`: a command in front of the daemon */
  static async start(
    options: { matchRules?: number; wrapper?: readonly string[] } = {},
  ): Promise<DbusDaemon> {
    const folder = await mkdtemp(join(tmpdir(), 'podwright-dbus-'));
    const configuration = join(folder, 'bus.conf');
    await writeFile(
      configuration,
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
        "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
      <busconfig>
        <listen>unix:path=${join(folder, 'bus')}</listen>
        <auth>EXTERNAL</auth>
        <policy context="default">
          <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
          <allow send_requested_reply="true" send_type="method_return"/>
          <allow send_requested_reply="true" send_type="error"/>
          <allow receive_type="method_call"/><allow receive_type="method_return"/>
          <allow receive_type="error"/><allow receive_type="signal"/>
        </policy>
        <limit name="max_match_rules_per_connection">${options.matchRules ?? 512}</limit>
        <limit name="auth_timeout">60000</limit>
      </busconfig>`,
    );
    const [program = 'dbus-daemon', ...args] = [
      ...(options.wrapper ?? []),
      'dbus-daemon',
      `--config-file=${configuration}`,
      '--nofork',
      '--nopidfile',
      '--print-address',
    ];
    const daemon = new DbusDaemon(folder, [program, ...args]);
    await daemon.boot();
    return daemon;
  }

  get address(): string {
    return `unix:path=${join(this.folder, 'bus')}`;
  }

  /** Starts the daemon again on the same socket; resolves when it listens. */
  async boot(): Promise<void> {
    await rm(join(this.folder, 'bus'), { force: true });
    const [program, ...args] = this.command;
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    let complaints = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`dbus-daemon ended with ${code} before it listened: ${complaints}`);
      }),
    ]);
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
