import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { type ContainerFlags, containerOption, defineCommand, namespaceOption } from '../define-command.js';
import { planCopy } from '../parse/copy-path.js';

const HELP = `
One of the two paths is in a pod. A directory is copied with all in it; when the target is a directory that is there, the
copy goes into it, else it gets the target's name. It takes the program tar in the container. Owners and permissions go
into the container as they are; out of it files belong to you, without set-user-ID bits and devices.
  podwright cp web:/etc/passwd .
  podwright cp -c server ./site kiosk/web:/srv`;

export function registerCp(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'cp <source> <target>', 'copy files into a container or out of it')
    .addOption(containerOption())
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((source: string, target: string, flags: ContainerFlags) =>
    cli.run(command, (context) => cp(context, source, target, flags)),
  );
}

export async function cp(
  context: CliContext,
  source: string,
  target: string,
  flags: ContainerFlags,
): Promise<void> {
  const { direction, local, container, path } = planCopy(source, target, flags);
  const [{ copyToPod }, { copyFromPod }] = await Promise.all([
    import('../copy/copy-to-pod.js'),
    import('../copy/copy-from-pod.js'),
  ]);
  const runtime = await context.openRuntime('observe');
  if (direction === 'to-pod') await copyToPod(context, runtime, { local, container, path });
  else await copyFromPod(context, runtime, { local, container, path });
}
