// Clients of attached containers, for the cases of attach.
import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import type { AttachSession, ContainerConfig } from '@podwright/core';
import type { CaseContext } from './case-context.js';
import { script } from './workloads.js';

/** A container that runs a script. */
export async function run(t: CaseContext, text: string, more: Partial<ContainerConfig>): Promise<string> {
  return t.start(await t.sandbox(), script(text), more);
}

export async function attach(t: CaseContext, id: string, stdin = true): Promise<AttachSession> {
  const session = await t.soon(t.service.attach(id, { stdin }), 'the attachment');
  t.atEnd('attached client', () => session.detach());
  return session;
}

/** Reads until a text has come; what comes after it stays for the next call. */
export function reader(t: CaseContext, stream: Readable | undefined) {
  const chunks = stream?.[Symbol.asyncIterator]();
  let seen = '';
  const search = async (text: string) => {
    while (!seen.includes(text)) {
      const { value, done } = (await chunks?.next()) ?? { done: true };
      if (done)
        assert.fail(`the output ended after ${JSON.stringify(seen)} and has no ${JSON.stringify(text)}`);
      seen += String(value);
    }
    const end = seen.indexOf(text) + text.length;
    const before = seen.slice(0, end);
    seen = seen.slice(end);
    return before;
  };
  return (text: string) => t.soon(search(text), `output ${JSON.stringify(text)}`);
}

/**
 * Has lines written until all readers get some of what comes back: the streaming protocol does not tell when a client is
 * attached, and what is written just before is not for it. More of them may be under way.
 */
export async function attachedAll(session: AttachSession, readers: readonly ReturnType<typeof reader>[]) {
  const timer = setInterval(() => session.stdin?.write('again\n'), 50);
  try {
    await Promise.all(readers.map((says) => says('got again\n')));
  } finally {
    clearInterval(timer);
  }
}

export async function endOf(t: CaseContext, session: AttachSession): Promise<string> {
  const end = await t.soon(session.ended, 'the end of the session');
  return end.type === 'exited' ? `exit ${end.exitCode}` : end.type;
}
