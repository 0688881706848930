import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ContainerRef, Pod, PodSummary } from '@podwright/core';

/** What the agent program tells. */
export type AgentMessage =
  | { readonly type: 'started' | 'removing' }
  | { readonly type: 'event'; readonly reason: string; readonly pod: string; readonly field?: string }
  | { readonly type: 'pod'; readonly uid: string }
  | { readonly type: 'running'; readonly pods: readonly PodSummary[] }
  | { readonly type: 'log'; readonly line: string; readonly cursor: string };

export interface AgentWork {
  readonly config: Readonly<Record<string, unknown>>;
  readonly pods: readonly Pod[];
  readonly follow?: ContainerRef;
  /** Then all pods are removed at once. */
  readonly removeAll?: boolean;
}

/** An agent in a process of its own, which runs from the build and not from the sources: `npm run build` first. */
export class AgentProcess {
  readonly messages: AgentMessage[] = [];
  private readonly ended: Promise<unknown>;
  private errors = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly told: AsyncIterator<string>,
  ) {
    this.ended = once(child, 'close');
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
  }

  static start(work: AgentWork): AgentProcess {
    const program = fileURLToPath(new URL('agent-program.mjs', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(work)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new AgentProcess(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
  }

  /** The next message that fits; those before it are in `messages`. */
  async until<T extends AgentMessage>(fits: (message: AgentMessage) => message is T): Promise<T>;
  async until(fits: (message: AgentMessage) => boolean): Promise<AgentMessage>;
  async until(fits: (message: AgentMessage) => boolean): Promise<AgentMessage> {
    for (;;) {
      const message = await this.next();
      if (!message) throw new Error(`The agent ended early: ${this.errors}`);
      if (fits(message)) return message;
    }
  }

  /** Kills it without a warning and resolves when it is gone; what it told until then is in `messages`. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    while (await this.next());
    await this.ended;
  }

  private async next(): Promise<AgentMessage | undefined> {
    const { done, value } = await this.told.next();
    if (done) return undefined;
    const message: AgentMessage = JSON.parse(value);
    this.messages.push(message);
    return message;
  }
}
