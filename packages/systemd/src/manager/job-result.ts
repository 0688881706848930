import { PodwrightError } from '@podwright/core';

/** How a job can end (org.freedesktop.systemd1(5), "JobRemoved"); `unknown` for a word that later versions may add. */
export const JOB_RESULTS = [
  'done',
  'canceled',
  'timeout',
  'failed',
  'dependency',
  'skipped',
  'invalid',
  'assert',
  'unsupported',
  'collected',
  'once',
] as const;

export type JobResult = (typeof JOB_RESULTS)[number] | 'unknown';

export function jobResultOf(text: string): JobResult {
  return JOB_RESULTS.find((result) => result === text) ?? 'unknown';
}

/** What each result but `done` means to a person. */
const MEANINGS: Readonly<Record<Exclude<JobResult, 'done'>, string>> = {
  canceled: 'the job was cancelled, by systemctl or by another job for the unit',
  timeout: 'the job ran into its time-out',
  failed: 'the unit failed',
  dependency: 'a unit it depends on failed',
  skipped: 'the job did not apply to the state of the unit, or a condition of the unit does not hold',
  invalid: 'the unit was not in a state in which this can be done',
  assert: 'an assertion of the unit does not hold',
  unsupported: 'this host does not support units of this kind',
  collected: 'the unit was unloaded before the job ran',
  once: 'the unit can be started only once in a boot',
  unknown: 'systemd gave a result that is not known here',
};

/** The error of a job that did not end with `done`. */
export function jobFailed(
  verb: string,
  unit: string,
  result: Exclude<JobResult, 'done'>,
  facts: { readonly job: string; readonly [fact: string]: unknown },
): PodwrightError {
  const { unitResult, execMainCode, execMainStatus } = facts;
  const how =
    execMainCode === undefined || execMainStatus === undefined
      ? ''
      : execMainCode === 1
        ? `, its main process exited with ${String(execMainStatus)}`
        : `, its main process was ended by signal ${String(execMainStatus)}`;
  const because = unitResult === undefined ? '' : ` (result "${String(unitResult)}"${how})`;
  return new PodwrightError(
    'job-failed',
    `${unit} was not ${verb}: ${MEANINGS[result]}${because}. See "journalctl -u ${unit}" on the host.`,
    { details: { ...facts, result, unit } },
  );
}
