import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger, messageOf, type OrphanMarks } from '@podwright/core';
import { HostExecutor, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { z } from 'zod';
import { ignoreMissing } from './files.js';
import { HostLayout } from './host-layout.js';

const VERSION = 1;
const schema = z.strictObject({ version: z.literal(VERSION), firstSeenMs: z.record(z.string(), z.number()) });

/** Remembers over restarts of the agent when things without an owner were seen first. */
@injectable()
export class OrphanMarksFile {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Of a file that cannot be read nothing is known: everything gets its whole grace anew. */
  async read(): Promise<OrphanMarks> {
    const text = await ignoreMissing(readFile(this.path, 'utf8'));
    if (text === undefined) return new Map();
    try {
      return new Map(Object.entries(schema.parse(JSON.parse(text)).firstSeenMs));
    } catch (error) {
      this.logger.warn('what was seen without an owner is forgotten: its file cannot be read', {
        path: this.path,
        error: messageOf(error),
      });
      return new Map();
    }
  }

  async write(marks: OrphanMarks): Promise<void> {
    const content = { version: VERSION, firstSeenMs: Object.fromEntries(marks) };
    await writeFileAtomic(this.path, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  }

  private get path(): string {
    return this.host.hostPath(join(this.layout.stateDir, 'orphans.json'));
  }
}
