import { Command } from 'commander';
import type { Cli } from './cli.js';
import { registerAgent } from './commands/agent.js';
import { registerAttach } from './commands/attach.js';
import { registerCp } from './commands/cp.js';
import { registerDebug } from './commands/debug.js';
import { registerDoctor } from './commands/doctor.js';
import { registerKill, registerRm } from './commands/end-pods.js';
import { registerEvents } from './commands/events.js';
import { registerExec } from './commands/exec.js';
import { registerGc } from './commands/gc.js';
import { registerImages, registerLoad, registerRmi } from './commands/images.js';
import { registerInspect } from './commands/inspect.js';
import { registerLogs } from './commands/logs.js';
import { registerPortForward } from './commands/port-forward.js';
import { registerPs } from './commands/ps.js';
import { registerPull } from './commands/pull.js';
import { registerRestore } from './commands/restore.js';
import { registerRun } from './commands/run.js';
import { registerStats } from './commands/stats.js';
import { registerSync } from './commands/sync.js';
import { registerUpdate } from './commands/update.js';
import { registerUpdateObjects } from './commands/update-objects.js';
import { clientVersion, registerVersion } from './commands/version.js';
import { registerWait } from './commands/wait.js';
import { registerCriServer } from './cri-server-command.js';
import { EXIT_CODES_HELP } from './exit-codes.js';
import { addGlobalFlags } from './global-flags.js';

const GROUPS: readonly (readonly [string, readonly ((program: Command, cli: Cli) => void)[]])[] = [
  [
    'Pods:',
    [
      registerRun,
      registerSync,
      registerUpdateObjects,
      registerPs,
      registerInspect,
      registerStats,
      registerWait,
      registerKill,
      registerRm,
    ],
  ],
  [
    'Containers:',
    [
      registerUpdate,
      registerLogs,
      registerExec,
      registerAttach,
      registerDebug,
      registerCp,
      registerPortForward,
    ],
  ],
  ['Images:', [registerPull, registerLoad, registerImages, registerRmi]],
  ['Host:', [registerAgent, registerCriServer, registerEvents, registerGc, registerDoctor, registerVersion]],
];

const HELP = `
A pod is named NAME, NAMESPACE/NAME, or uid:UID. Flags win over the environment, that over the configuration file:
  PODWRIGHT_CONFIG, PODWRIGHT_BACKEND, PODWRIGHT_STATE_DIR, PODWRIGHT_RUN_DIR, PODWRIGHT_CONFIG_DIR,
  PODWRIGHT_DEBUG (1 or 0), PODWRIGHT_BACKEND_OPTIONS (JSON)

${EXIT_CODES_HELP}`;

/** The whole command line; parsing it runs what it says. */
export function buildProgram(cli: Cli): Command {
  const { stdout, stderr } = cli.io;
  const program = new Command('podwright')
    .description('Runs pods on this machine.')
    .version(clientVersion(), '--version', 'show the version of podwright')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, print) => print(text.replace(/^error: /, 'podwright: ')),
      getOutHelpWidth: () => Math.min(stdout.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(stderr.columns ?? 100, 120),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', HELP);
  addGlobalFlags(program);
  for (const [heading, registrations] of GROUPS) {
    program.commandsGroup(heading);
    for (const register of registrations) register(program, cli);
  }
  registerRestore(program, cli);
  // Last, so that a command's own flags come first in its help.
  for (const command of program.commands) addGlobalFlags(command);
  return program;
}
