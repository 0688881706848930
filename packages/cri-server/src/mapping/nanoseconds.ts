/** Times and durations of the CRI are whole nanoseconds; ours are milliseconds, with a fraction where the host tells it. */
export function toNanoseconds(ms: number): bigint {
  const whole = Math.trunc(ms);
  // In two parts: a date in nanoseconds is beyond what a number holds exactly.
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6));
}
