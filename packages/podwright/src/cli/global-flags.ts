import { type Command, Option } from 'commander';
import type { RuntimeConfig } from '../runtime-config.js';
import { parseSeconds } from './parse/parse-numbers.js';

/** Flags that every command takes. */
export interface GlobalFlags {
  readonly config?: string;
  readonly backend?: string;
  readonly stateDir?: string;
  readonly runDir?: string;
  readonly configDir?: string;
  readonly debug?: boolean;
  readonly lockTimeout?: number;
}

const GROUP = 'Global options:';

/** Before the command's name or after it. */
export function addGlobalFlags(command: Command): Command {
  for (const option of [
    new Option('--config <file>', 'configuration file (default: /etc/podwright/config.yaml, if it is there)'),
    new Option('--backend <name>', '`systemd`, `memory`, `cri`, or an npm package (default: systemd)'),
    new Option('--state-dir <dir>', 'what outlives a reboot (default: /var/lib/podwright)'),
    new Option('--run-dir <dir>', 'what ends with the run of the host (default: /run/podwright)'),
    new Option('--config-dir <dir>', 'further configuration (default: /etc/podwright)'),
    new Option('--debug', 'log every command to standard error, with secrets masked'),
    new Option(
      '--lock-timeout <span>',
      'how long to wait while another process changes pods: 30s, or 30 (default: 10)',
    ).argParser(parseSeconds),
  ]) {
    command.addOption(option.helpGroup(GROUP));
  }
  return command;
}

export function configOfFlags(flags: GlobalFlags): RuntimeConfig {
  const { backend, stateDir, runDir, configDir, debug } = flags;
  return {
    ...(backend === undefined ? {} : { backend }),
    ...(stateDir === undefined ? {} : { stateDir }),
    ...(runDir === undefined ? {} : { runDir }),
    ...(configDir === undefined ? {} : { configDir }),
    ...(debug === undefined ? {} : { debug }),
  };
}
