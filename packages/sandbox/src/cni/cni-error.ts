import { type ErrorKind, PodwrightError } from '@podwright/core';
import { isJsonObject } from './cni-config.js';

export type CniCommand = 'ADD' | 'CHECK' | 'DEL' | 'VERSION';

/** What a plugin that failed had said, and what it had been asked. */
export interface CniFailure {
  readonly plugin: string;
  readonly command: CniCommand;
  /** Absent for VERSION, which is asked of no network. */
  readonly network?: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Error codes of the CNI specification 1.0.0, section 5, that mean more than "it failed". */
const KIND_OF_CODE: Readonly<Record<number, ErrorKind>> = {
  1: 'unsupported',
  2: 'unsupported',
  4: 'invalid-argument',
  7: 'invalid-argument',
  11: 'unavailable',
};

/** Makes an error in the plugin's own words. A program that the plugin did not find is named as missing. */
export function cniError(failure: CniFailure, searched: readonly string[]): PodwrightError {
  const said = readError(failure.stdout);
  const words = said
    ? [said.msg, said.details].filter((part) => part !== '').join(': ')
    : failure.stderr.trim() || failure.stdout.trim() || 'it said nothing';
  const of = failure.network === undefined ? '' : ` of network "${failure.network}"`;
  const details = {
    plugin: failure.plugin,
    command: failure.command,
    ...(failure.network === undefined ? {} : { network: failure.network }),
    exitCode: failure.exitCode,
    ...(said ? { code: said.code } : {}),
    stderr: failure.stderr,
  };
  const delegate = /failed to find plugin "([^"]+)"/.exec(words)?.[1];
  if (delegate !== undefined) {
    return new PodwrightError('missing-requirement', missingPlugin(delegate, searched), { details });
  }
  const program = /exec: "([^"]+)": executable file not found/.exec(words)?.[1];
  if (program !== undefined) {
    return new PodwrightError(
      'missing-requirement',
      `The CNI plugin "${failure.plugin}" needs the program ${program}, which is not in the PATH of this process. ` +
        `Install ${program}.`,
      { details },
    );
  }
  const code = said ? ` (CNI error ${said.code})` : ` (exit code ${failure.exitCode})`;
  return new PodwrightError(
    KIND_OF_CODE[said?.code ?? 0] ?? 'command-failed',
    `The CNI plugin "${failure.plugin}" failed at ${failure.command}${of}: ${words}${code}.`,
    { details },
  );
}

/**
 * Whether DEL failed only because rules it wanted to remove are not there, as after an ADD that was broken off: bridge
 * up to release 1.1 takes the answer of the nftables variant of iptables for a failure. It has removed the interface
 * by then, and a second DEL does the rest.
 */
export function isChainGone(error: unknown): boolean {
  return PodwrightError.is(error) && /iptables.*Chain '[^']+' does not exist/.test(error.message);
}

/** The sentence for a plugin whose program is in none of the directories. */
export function missingPlugin(plugin: string, searched: readonly string[]): string {
  return (
    `The CNI plugin "${plugin}" is in none of ${searched.join(', ')}. Install it (Debian: ` +
    `containernetworking-plugins) or name its directory in cniBinDirs.`
  );
}

function readError(stdout: string): { code: number; msg: string; details: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value) || typeof value['code'] !== 'number') return undefined;
  const part = (name: string) => (typeof value[name] === 'string' ? value[name] : '');
  return { code: value['code'], msg: part('msg'), details: part('details') };
}
