import { readFile } from 'node:fs/promises';
import { Logger, messageOf, PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { HostExecutor } from './host-executor.js';
import { HostMounter } from './host-mounter.js';
import { Nsenter } from './nsenter.js';

/**
 * Mounts on the host from inside a container. Files are looked at by commands on the host: the agent's own copy of the
 * host's tree may lack what was mounted since the container was made.
 */
@injectable()
export class NsenterMounter extends HostMounter {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Nsenter) private readonly nsenter: Nsenter,
    @inject(Logger) logger: Logger,
  ) {
    super(host, logger);
  }

  protected async readTable(): Promise<string> {
    const path = this.nsenter.hostPath('/proc/1/mountinfo');
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      const message = `The mount table of the host cannot be read: ${messageOf(cause)}. The agent's container needs the host's root mounted, with /proc.`;
      throw new PodwrightError('missing-requirement', message, { cause, details: { path } });
    }
  }

  protected async realPath(path: string): Promise<string> {
    try {
      return await this.nsenter.evalSymlinks(path, { mustExist: true });
    } catch (error) {
      throw PodwrightError.is(error, 'command-failed') ? withCode(error, path) : error;
    }
  }

  protected async deviceNumbers(paths: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await this.#look('stat', ['-L', '-c', '%d', '--', ...paths], paths[0] ?? '');
    return stdout.toString('utf8').trim().split('\n');
  }

  protected async removeMountPoint(path: string): Promise<void> {
    // One command for a directory or a file: the shell reads the path as an argument.
    await this.#look(
      'sh',
      ['-c', 'if [ -d "$1" ]; then rmdir -- "$1"; else rm -- "$1"; fi', 'sh', path],
      path,
    );
  }

  async #look(command: string, args: readonly string[], path: string) {
    const result = await this.host.run({ command, args, env: { LC_ALL: 'C' }, okExitCodes: 'any' });
    if (result.exitCode === 0) return result;
    const stderr = result.stderr.toString('utf8').trim();
    const error = new PodwrightError('command-failed', `The mount point ${path} cannot be used: ${stderr}.`, {
      details: { path, exitCode: result.exitCode, stderr },
    });
    throw withCode(error, path);
  }
}

/** Words of the C library, with the system's code and our kind. */
const SAID = [
  [/No such file|Not a directory/, 'ENOENT', 'not-found'],
  [/Directory not empty/, 'ENOTEMPTY', 'in-use'],
  [/Device or resource busy/, 'EBUSY', 'in-use'],
  [/Permission denied/, 'EACCES', 'permission-denied'],
  [/Operation not permitted/, 'EPERM', 'permission-denied'],
  [/Transport endpoint is not connected/, 'ENOTCONN', 'failed-precondition'],
  [/Stale file handle/, 'ESTALE', 'failed-precondition'],
  [/Host is down/, 'EHOSTDOWN', 'failed-precondition'],
  [/Input\/output error/, 'EIO', 'failed-precondition'],
] as const;

function withCode(error: PodwrightError, path: string): PodwrightError {
  const said = SAID.find(([words]) => words.test(String(error.details['stderr'])));
  if (said === undefined) return error;
  const [, code, kind] = said;
  return new PodwrightError(kind, error.message, { cause: error, details: { ...error.details, path, code } });
}
