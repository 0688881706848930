import { randomInt } from 'node:crypto';

/** Commands of the cases. They need a POSIX shell and the usual programs, as busybox has them, and nothing else. */

/** Runs a script in the container's shell. */
export function script(text: string): readonly string[] {
  return ['sh', '-c', text];
}

/** Ends at once with this code. */
export function exitWith(code: number): readonly string[] {
  return script(`exit ${code}`);
}

/** Prints these lines, which may hold no single quote, and ends. */
export function printLines(lines: readonly string[]): readonly string[] {
  return ['printf', '%s\\n', ...lines];
}

/** Runs until it is killed; as the first process of a container it is deaf to SIGTERM. */
export function sleepForever(): readonly string[] {
  return ['sleep', '100000'];
}

/** A time in seconds for `sleep` by which its process is found among all of the host, in whose command lines are ids too. */
export function markedTime(): string {
  return String(randomInt(1_000_000_000, 2_000_000_000));
}

/** Says `ready`, and ends with this code on SIGTERM. */
export function onTermExit(code: number): readonly string[] {
  return script(`trap 'echo bye; exit ${code}' TERM; echo ready; sleep 100000 & wait $!`);
}

/** Says `ready`, and takes no notice of SIGTERM. */
export function ignoreTerm(): readonly string[] {
  return script("trap '' TERM; echo ready; sleep 100000");
}

/** Says `ready`, notes each SIGTERM as a line of a file, and runs on. */
export function noteTerm(file: string): readonly string[] {
  return script(`trap 'echo term >> ${file}' TERM; echo ready; while :; do sleep 1 & wait $!; done`);
}

/** Gives back what is sent to a TCP port; says `ready` when it listens. */
export function echoServer(port: number): readonly string[] {
  return script(
    `nc -ll -p ${port} -e cat & ` +
      `until echo | nc 127.0.0.1 ${port} >/dev/null 2>&1; do sleep 0.05; done; echo ready; wait`,
  );
}

/** Fails this often, counted in a file that outlives the container, and runs on then. */
export function failTimes(count: number, file: string): readonly string[] {
  return script(
    `echo x >> ${file}; n=$(wc -l < ${file}); echo "run $n"; ` +
      `if [ "$n" -le ${count} ]; then exit $((n + 10)); fi; sleep 100000`,
  );
}
