import { constants } from 'node:os';
import { type ContainerConfig, type OciImageConfig, PodwrightError } from '@podwright/core';

const SIGNALS: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));
/** First and last real-time signal for a program of glibc, signal(7). */
const RT_MIN = 34;
const RT_MAX = 64;

/**
 * The signal that asks a container to end: the configuration's, else the image's, else TERM. Names come with or without
 * `SIG`, real-time ones as `RTMIN+3` or `RTMAX-1`; numbers are taken too, as in an image.
 * @returns the name without `SIG`, or the number of a signal that has no name
 * @throws PodwrightError kind `invalid-argument` for a signal that Linux does not have
 */
export function stopSignal(config: Pick<ContainerConfig, 'stopSignal'>, image: OciImageConfig): string {
  const given = config.stopSignal || image.config?.StopSignal || 'SIGTERM';
  const name = given.toUpperCase().replace(/^SIG/, '');
  const number = signalNumber(name);
  if (number === undefined || number < 1 || number > RT_MAX) {
    throw new PodwrightError(
      'invalid-argument',
      `The stop signal "${given}" is none of Linux: use a name such as SIGTERM or SIGRTMIN+3.`,
      { details: { value: given } },
    );
  }
  if (!/^\d+$/.test(name)) return name;
  return [...SIGNALS].find(([, value]) => value === number)?.[0].slice('SIG'.length) ?? String(number);
}

function signalNumber(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const [, base, sign = '+', distance = 0] = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  if (base === undefined) return SIGNALS.get(`SIG${name}`);
  const number = (base === 'MIN' ? RT_MIN : RT_MAX) + Number(`${sign}${distance}`);
  return number >= RT_MIN ? number : undefined;
}
