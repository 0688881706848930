import { type Image, PodwrightError, type PullEvent, type PullOptions } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { consume } from '../consume.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { PullProgress, progressLine, pullLine } from '../format/pull-progress.js';
import { print, printData, write } from '../output.js';

interface PullFlags extends FormatFlags {
  readonly creds?: string;
  readonly authfile?: string;
  readonly quiet?: boolean;
}

const CLEAR_LINE = '\r\u001b[K';

export function registerPull(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'pull <image>', 'pull an image from its registry')
    .option(
      '--creds <user:password>',
      'credentials of this pull; others on this host may see them: see --authfile',
    )
    .option('--authfile <file>', 'credentials of this pull, as in containers-auth.json(5)')
    .option('-q, --quiet', 'no progress')
    .addOption(formatOption());
  command.action((image: string, flags: PullFlags) =>
    cli.run(command, (context) => pull(context, image, flags)),
  );
}

export async function pull(context: CliContext, reference: string, flags: PullFlags): Promise<void> {
  const options = pullOptionsOf(flags);
  const runtime = await context.openRuntime('observe');
  let image: Image | undefined;
  const show = flags.quiet ? undefined : new ProgressPrinter(context);
  try {
    await consume(runtime.pullImage(reference, options), context.signal, async (event) => {
      if (event.type === 'done') image = event.image;
      await show?.tell(event);
    });
  } finally {
    await show?.end();
  }
  if (image === undefined) throw new PodwrightError('internal', 'The pull ended without an image.');
  if (flags.output === undefined) await print(context, image.id);
  else await printData(context, flags.output, image);
}

function pullOptionsOf({ creds, authfile }: PullFlags): PullOptions {
  if (creds !== undefined && authfile !== undefined) {
    throw new PodwrightError('invalid-argument', 'Only one of --creds and --authfile can be given.');
  }
  if (authfile !== undefined) return { authFile: authfile };
  if (creds === undefined) return {};
  const at = creds.indexOf(':');
  if (at < 1) throw new PodwrightError('invalid-argument', '--creds has to read USER:PASSWORD.');
  return { auth: { username: creds.slice(0, at), password: creds.slice(at + 1) } };
}

/** On a terminal one line that changes, elsewhere a line for each step; on standard error. */
class ProgressPrinter {
  private readonly progress = new PullProgress();
  private isLineOpen = false;

  constructor(private readonly context: CliContext) {}

  async tell(event: PullEvent): Promise<void> {
    const { stderr } = this.context;
    this.progress.add(event);
    if (stderr.isTTY === true) {
      this.isLineOpen = true;
      await write(stderr, `${CLEAR_LINE}${progressLine(this.progress, stderr.columns ?? 80)}`);
      return;
    }
    const line = pullLine(event);
    if (line !== undefined) await write(stderr, `${line}\n`);
  }

  async end(): Promise<void> {
    if (this.isLineOpen) await write(this.context.stderr, '\n');
  }
}
