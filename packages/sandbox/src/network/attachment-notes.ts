import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger, messageOf, systemErrorCode } from '@podwright/core';
import { HostExecutor, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { z } from 'zod';
import type { CniAttachment } from '../cni/cni-invocation.js';
import { listDirectory } from '../list-directory.js';
import { SandboxOptions } from '../sandbox-options.js';
import { attachmentsRunDir } from '../sandbox-paths.js';
import { attachmentSchema } from '../sandbox-record-schema.js';

const VERSION = 1;
const noteSchema = z.strictObject({ version: z.literal(VERSION), attachment: attachmentSchema });

/**
 * What has to be taken down by the plugins, noted beside the sandboxes' records: when a record is lost, the addresses
 * and rules that the plugins keep elsewhere on the host (/var/lib/cni) can still be given back. libcni's cache in
 * /var/lib/cni/results serves for the same.
 */
@injectable()
export class AttachmentNotes {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async write(attachment: CniAttachment): Promise<void> {
    await mkdir(this.executor.hostPath(attachmentsRunDir(this.options)), { recursive: true, mode: 0o700 });
    const note = { version: VERSION, attachment };
    await writeFileAtomic(this.#path(attachment), `${JSON.stringify(note)}\n`, { mode: 0o600 });
  }

  /** Idempotent. */
  async remove(attachment: CniAttachment): Promise<void> {
    await rm(this.#path(attachment), { force: true });
  }

  /** All of them; one that cannot be read is logged and left. */
  async list(): Promise<readonly CniAttachment[]> {
    const folder = attachmentsRunDir(this.options);
    const notes: CniAttachment[] = [];
    for (const name of await listDirectory(this.executor.hostPath(folder))) {
      if (!name.endsWith('.json')) continue;
      const path = join(folder, name);
      try {
        notes.push(
          noteSchema.parse(JSON.parse(await readFile(this.executor.hostPath(path), 'utf8'))).attachment,
        );
      } catch (error) {
        if (systemErrorCode(error) === 'ENOENT') continue;
        this.logger.warn('a note of a network cannot be read', { path, error: messageOf(error) });
      }
    }
    return notes;
  }

  /** Neither an id nor an interface has a slash; an interface has no colon. */
  #path({ containerId, ifName }: CniAttachment): string {
    return this.executor.hostPath(join(attachmentsRunDir(this.options), `${containerId}:${ifName}.json`));
  }
}
