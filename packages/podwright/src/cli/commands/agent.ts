import { type ImageGcPolicy, type Logger, SystemClock } from '@podwright/core';
import { type Command, Option } from 'commander';
import { NodeCollector } from '../../agent/node-collector.js';
import { StaticPodAgent } from '../../agent/static-pod-agent.js';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand } from '../define-command.js';
import { parseThresholds } from '../parse/parse-numbers.js';
import { parseDuration } from '../parse/parse-time.js';

interface AgentFlags {
  readonly manifests: string;
  readonly gcInterval: number;
  readonly gcImages: Omit<ImageGcPolicy, 'minAgeMs'>;
}

/** The kubelet's defaults. */
const GC_INTERVAL_MS = 5 * 60_000;
const GC_IMAGES = { highPercent: 85, lowPercent: 80 };
/** An image that was just pulled is about to be used. */
const GC_IMAGES_MIN_AGE_MS = 2 * 60_000;

const HELP = `
Each file of the directory that ends in .yaml, .yml or .json holds Pods, and the ConfigMaps and Secrets that they name. Add,
change or remove a file, and the node follows; a pod that has ended begins anew when its file changes. A file that is wrong
is reported and its pods stay as they are. While the agent runs it asks probes, runs hooks, restarts what needs it, and ends
pods by their deadline. SIGTERM ends the agent and leaves the pods running; the next one takes them up.
  podwright agent --manifests /etc/podwright/manifests`;

export function registerAgent(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'agent',
    'keep pods as a directory of manifests says, until interrupted',
  )
    .requiredOption('--manifests <dir>', 'the directory of the manifests')
    .addOption(
      new Option('--gc-interval <span>', 'how often to do what podwright gc does; 0: never')
        .argParser(parseDuration)
        .default(GC_INTERVAL_MS, '5m'),
    )
    .addOption(
      new Option(
        '--gc-images <high:low>',
        'when their disk is fuller than high percent, remove unused images down to low; 100:100: none',
      )
        .argParser(parseThresholds)
        .default(GC_IMAGES, '85:80'),
    )
    .addHelpText('after', HELP);
  command.action((flags: AgentFlags) => cli.run(command, (context) => agent(context, flags)));
}

async function agent(context: CliContext, { manifests, gcInterval, gcImages }: AgentFlags): Promise<void> {
  const { signal } = context;
  const logger = logTo(context);
  const runtime = await context.openRuntime('exclusive');
  const events = runtime.events.subscribe(({ type, reason, object, message }) => {
    const container = /\{.*\}$/.exec(object.fieldPath ?? '')?.[0] ?? '';
    const line = `${reason} ${object.namespace}/${object.name}${container}: ${message}`;
    if (type === 'Warning') logger.warn(line);
    else logger.info(line);
  });
  try {
    logger.info(`The agent has started; manifests are in ${manifests}`);
    const clock = new SystemClock();
    const images = { ...gcImages, minAgeMs: GC_IMAGES_MIN_AGE_MS };
    const collector = new NodeCollector(runtime, { intervalMs: gcInterval, images }, clock, logger);
    await Promise.all([
      new StaticPodAgent(runtime, { directory: manifests }, clock, logger).run(signal),
      gcInterval === 0 ? undefined : collector.run(signal),
    ]);
    logger.info('The agent ends; pods run on');
  } finally {
    events.unsubscribe();
  }
}

/** To standard error, a line each; the journal adds the time. */
function logTo({ stderr }: CliContext): Logger {
  const at = (level: string) => (message: string) => void stderr.write(`${level} ${message}\n`);
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') };
}
