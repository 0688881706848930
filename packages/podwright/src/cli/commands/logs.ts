import type { LogEntry } from '@podwright/core';
import { type Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { type ContainerFlags, containerOption, defineCommand, namespaceOption } from '../define-command.js';
import { formatTimestampUs } from '../format/quantities.js';
import { write } from '../output.js';
import { parseTail } from '../parse/parse-numbers.js';
import { parseMoment } from '../parse/parse-time.js';
import { parseContainerRef } from '../parse/pod-ref.js';

interface LogsFlags extends ContainerFlags {
  readonly follow?: boolean;
  readonly tail?: number | 'all';
  readonly since?: number;
  readonly until?: number;
  readonly timestamps?: boolean;
  readonly previous?: boolean;
}

const LINE_FEED = Buffer.from('\n');

export function registerLogs(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'logs <pod>', "show a container's output, each stream to its own")
    .option('-f, --follow', 'go on with what comes, until the container has ended for good')
    .option('--tail <lines>', 'only the last so many lines (default: all)', parseTail)
    .option('--since <when>', 'only what is younger: 10m, 1h30m, 2026-01-31T12:00:00Z', (text: string) =>
      parseMoment(text, Date.now()),
    )
    .addOption(
      new Option('--until <when>', 'only what is older, in the same way')
        .argParser((text) => parseMoment(text, Date.now()))
        .conflicts('follow'),
    )
    .option('-t, --timestamps', 'the time before each line')
    .option('-p, --previous', 'of the attempt before the present one')
    .addOption(containerOption())
    .addOption(namespaceOption());
  command.action((pod: string, flags: LogsFlags) => cli.run(command, (context) => logs(context, pod, flags)));
}

export async function logs(context: CliContext, pod: string, flags: LogsFlags): Promise<void> {
  const { follow = false, tail = 'all', since, until, timestamps = false, previous = false } = flags;
  const { signal } = context;
  const runtime = await context.openRuntime('observe');
  const entries = runtime.getContainerLogs(parseContainerRef(pod, flags), {
    signal,
    ...(follow ? { follow } : {}),
    ...(previous ? { previous } : {}),
    ...(tail === 'all' ? {} : { tail }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
  });
  const writer = new LogWriter(context, timestamps);
  try {
    for await (const entry of entries) await writer.write(entry);
  } catch (error) {
    // Whoever follows ends it in this way.
    if (!(follow && signal.aborted)) throw error;
  }
}

/** Writes lines as they were written, to the stream to which they were written. */
class LogWriter {
  /** Streams whose last entry was a part of a line. */
  private readonly inLine = new Set<LogEntry['stream']>();

  constructor(
    private readonly context: CliContext,
    private readonly timestamps: boolean,
  ) {}

  async write({ timestampUs, stream, line, partial }: LogEntry): Promise<void> {
    const stamp =
      this.timestamps && !this.inLine.has(stream) ? Buffer.from(`${formatTimestampUs(timestampUs)} `) : '';
    if (partial) this.inLine.add(stream);
    else this.inLine.delete(stream);
    const parts = [Buffer.from(stamp), line, ...(partial ? [] : [LINE_FEED])];
    await write(this.context[stream], Buffer.concat(parts), this.context.signal);
  }
}
