import type { Duplex } from 'node:stream';
import { type CallOptions, PodwrightError } from '@podwright/core';
import type { SandboxRecord } from '@podwright/sandbox';
import { injectable } from 'inversify';

@injectable()
export class SandboxPorts {
  async forward(record: SandboxRecord, port: number, _options: CallOptions): Promise<Duplex> {
    throw new PodwrightError('unsupported', `later ${record.id} ${port}`);
  }
}
