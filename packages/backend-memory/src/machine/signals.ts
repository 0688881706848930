/** Numbers of the signals on Linux (signal(7), the column for x86 and ARM). */
const NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGWINCH: 28,
  SIGPWR: 30,
};

export const SIGKILL = 9;
export const SIGPIPE = 13;

/** Signals that do nothing to a process that has not asked for them. */
const HARMLESS = new Set([17, 18, 28]);

/** The number behind `SIGTERM`, `TERM`, `term` or `15`; undefined for anything else. */
export function signalNumber(text: string): number | undefined {
  if (/^[0-9]+$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= 64 ? number : undefined;
  }
  const name = text.toUpperCase();
  return NUMBERS[name.startsWith('SIG') ? name : `SIG${name}`];
}

export function endsByDefault(signal: number): boolean {
  return !HARMLESS.has(signal);
}
