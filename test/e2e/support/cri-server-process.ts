import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openChannel } from '@podwright/cri-api';
import { slowness } from '../../slowness.js';
import type { CriTarget } from './cri-target.js';
import { agentConfig, makeAgentFolder, removeAgentFolder } from './test-agent.js';

const BIN = fileURLToPath(new URL('../../../packages/podwright/dist/command/podwright.js', import.meta.url));
const READY_MS = 30_000 * slowness;

/** `podwright cri-server` in a process of its own, which runs from the build and not from the sources: `npm run build` first. */
export class CriServerProcess implements CriTarget {
  readonly name = 'podwright';
  private child: ChildProcess | undefined;
  private errors = '';

  private constructor(readonly folder: string) {}

  static async start(): Promise<CriServerProcess> {
    const folder = await makeAgentFolder();
    await writeFile(join(folder, 'config.yaml'), JSON.stringify(agentConfig(folder)));
    const server = new CriServerProcess(folder);
    await server.start();
    return server;
  }

  get address(): string {
    return `unix://${this.socket}`;
  }

  private get socket(): string {
    return join(this.folder, 'cri', 'cri.sock');
  }

  /** Starts it, over what an earlier one has left, and resolves when it answers. */
  async start(): Promise<void> {
    const flags = ['--config', join(this.folder, 'config.yaml'), '--listen', this.socket];
    const child = spawn(process.execPath, [BIN, 'cri-server', ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    const channel = openChannel(this.address);
    const ended = once(child, 'exit').then(() => {
      throw new Error(`The server has ended: ${this.errors}`);
    });
    try {
      await Promise.race([channel.waitForReady(READY_MS), ended]);
    } finally {
      channel.close();
      ended.catch(() => undefined);
    }
  }

  /** Ends it without a warning. */
  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  /** Ends it as a host does. */
  stop(): Promise<void> {
    return this.end('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await removeAgentFolder(this.folder);
  }

  private async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}
