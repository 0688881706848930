import type { HostExecutor, HostProcess } from '@podwright/nsenter';
import type { CommandLine } from './oci-runtime-command.js';

const GO = 'go';

/**
 * A command behind a gate: a shell that reads one line of standard input and then becomes the command, with the rest
 * of standard input untouched (`read` takes byte by byte what cannot be sought back, POSIX). Without that line, because
 * whoever held the gate died, nothing is executed and the exit code is 125.
 */
export function gatedCommand({ command, args, env }: CommandLine): CommandLine {
  const script = `IFS= read -r line && [ "$line" = ${GO} ] || exit 125; exec "$@"`;
  return { command: 'sh', args: ['-c', script, 'podwright-gate', command, ...args], env };
}

/**
 * Starts a command behind the gate and lets it go when `attach` has done its work with the gate's PID, so that
 * everything the command ever starts is where `attach` put the gate, such as the container's unit.
 * @param attach when it fails, nothing was executed and the error is passed on
 * @returns the process, whose standard input is the command's from here on
 */
export async function startGated(
  executor: HostExecutor,
  line: CommandLine,
  attach: (pid: number) => Promise<void>,
): Promise<HostProcess> {
  const process = await executor.start(gatedCommand(line));
  // A command may end without having read its input: its exit code tells, a broken pipe is no news.
  process.stdin.on('error', () => undefined);
  try {
    await attach(process.pid);
  } catch (error) {
    process.stdin.end();
    process.stdout.resume();
    process.stderr.resume();
    await process.exited;
    throw error;
  }
  process.stdin.write(`${GO}\n`);
  return process;
}
