import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { defineCommand, formatOption } from '../define-command.js';
import type { DoctorFlags } from '../doctor/doctor.js';

export function registerDoctor(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'doctor', 'check all that this host needs, and say how to get it')
    .option(
      '--in-container [root]',
      "of an agent in a container, with the host's root mounted (default: /rootfs)",
    )
    .addOption(formatOption());
  command.action((flags: DoctorFlags) =>
    cli.run(command, async (context) => {
      const { doctor } = await import('../doctor/doctor.js');
      return doctor(context, flags);
    }),
  );
}
