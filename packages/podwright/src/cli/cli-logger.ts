import { type Logger, silentLogger } from '@podwright/core';

/** What goes wrong beside the command itself is told, and nothing else. */
export const cliLogger: Logger = {
  ...silentLogger,
  error: (message) => void process.stderr.write(`podwright: ${message}\n`),
};
