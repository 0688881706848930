// The log files of containers, which `kubectl logs` and `crictl logs` read, and which a kubelet rotates.
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fewer } from '../../slowness.js';
import { CriBed, eventually, expectRefusal, type LogLine, textsOf } from '../support/cri-bed.js';

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const sh = (script: string) => ({ command: ['sh', '-c', script] });

/** What a reader of the log shows: the entries of a line put together. */
function joined(lines: readonly LogLine[]): string {
  return lines.map(({ tag, text }) => (tag === 'F' ? `${text}\n` : text)).join('');
}

describe('the log file of a container', () => {
  it('is where the pod and the container say, and holds both streams with their times', async () => {
    const begin = Date.now();
    const pod = await bed.runLoggingPod();
    const containerId = await bed.start(pod, {
      ...sh('echo hello World; echo oh >&2'),
      logPath: 'main/0.log',
    });
    const { logPath } = await bed.ended(containerId);
    expect(logPath).toBe(join(pod.config.logDirectory, 'main/0.log'));
    const lines = await bed.log(pod, 'main/0.log');
    expect(textsOf(lines)).toEqual(['hello World']);
    expect(textsOf(lines, 'stderr')).toEqual(['oh']);
    for (const { time, tag } of lines) {
      expect(tag).toBe('F');
      expect(time.getTime()).toBeGreaterThanOrEqual(begin - 1);
      expect(time.getTime()).toBeLessThanOrEqual(Date.now() + 1);
    }
  });

  it('holds every byte: blank lines, blanks, long lines in parts, and an end without a newline', async () => {
    const pod = await bed.runLoggingPod();
    const long = 'x'.repeat(40_000);
    const script = `echo; echo "  two  "; printf '%s\\n' ${long}; printf 'no newline'`;
    const lines = await bed.runToEnd(pod, sh(script));
    expect(joined(lines).replace(/\n$/, '')).toBe(`\n  two  \n${long}\nno newline`);
    for (const { text } of lines) expect(text.length).toBeLessThanOrEqual(16 * 1024);
    expect(lines.filter(({ tag }) => tag === 'P').length).toBeGreaterThanOrEqual(2);
  });

  it('holds all lines of one that writes much and ends', async () => {
    const count = fewer(20_000);
    const lines = await bed.runToEnd(await bed.runLoggingPod(), sh(`seq 1 ${count}`));
    // Where a line lies across two reads of the runtime, it is in two entries.
    expect(joined(lines)).toBe(Array.from({ length: count }, (_, index) => `${index + 1}\n`).join(''));
  });

  it('is opened anew on demand, and the one that was moved away is left alone', async () => {
    const pod = await bed.runLoggingPod();
    const script = 'i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done';
    const containerId = await bed.start(pod, { ...sh(script), logPath: 'main.log' });
    await eventually(
      () => bed.log(pod, 'main.log'),
      (lines) => lines.length > 0,
    );
    const path = join(pod.config.logDirectory, 'main.log');
    await rename(path, `${path}.1`);
    await bed.runtime.reopenContainerLog({ containerId });
    const old = await readFile(`${path}.1`, 'utf8');
    const lines = await eventually(
      () => bed.log(pod, 'main.log'),
      ({ length }) => length > 3,
    );
    expect(await readFile(`${path}.1`, 'utf8')).toBe(old);
    const numbers = [...(await bed.log(pod, 'main.log.1')), ...lines].map(({ text }) => text);
    expect(numbers).toEqual(numbers.map((_, index) => `line ${index}`));
  });

  it('cannot be opened anew when the container has ended', async () => {
    const pod = await bed.runLoggingPod();
    const containerId = await bed.start(pod, { ...sh('true'), logPath: 'main.log' });
    await bed.ended(containerId);
    await expectRefusal(bed.runtime.reopenContainerLog({ containerId }));
    await expectRefusal(bed.runtime.reopenContainerLog({ containerId: 'none' }));
  });

  it('is not there for a container without a path', async () => {
    const pod = await bed.runLoggingPod();
    const containerId = await bed.start(pod, sh('echo unheard'));
    expect((await bed.ended(containerId)).logPath).toBe('');
  });
});

describe('containers in one pod', () => {
  it('have logs, commands and processes of their own, and one network', async () => {
    const pod = await bed.runLoggingPod();
    const serve = 'mkdir /www; echo page > /www/index.html; echo serving; exec httpd -f -p 80 -h /www';
    const server = await bed.start(pod, { ...sh(serve), logPath: 'server.log' });
    const client = await bed.start(pod, { ...sh('echo hello World; sleep 1000'), logPath: 'client.log' });
    await eventually(
      () => bed.log(pod, 'server.log'),
      (lines) => textsOf(lines).includes('serving'),
    );
    await eventually(
      () => bed.log(pod, 'client.log'),
      (lines) => textsOf(lines).includes('hello World'),
    );
    expect(await bed.output(server, 'echo', 'server')).toBe('server\n');
    expect(await bed.output(client, 'echo', 'client')).toBe('client\n');
    const ip = (await bed.podStatus(pod)).network?.ip;
    await eventually(
      () => bed.exec(client, 'wget', '-qO-', 'http://127.0.0.1:80/'),
      ({ stdout }) => stdout === 'page\n',
    );
    expect(await (await fetch(`http://${ip}:80/`)).text()).toBe('page\n');
    expect(await bed.output(client, 'ls', '/')).not.toContain('www');
  });
});
