import { constants } from 'node:os';
import { type ContainerConfig, type OciImageConfig, PodwrightError } from '@podwright/core';

const SIGNALS: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));
/** First and last real-time signal for a program of glibc, signal(7). */
const RT_MIN = 34;
const RT_MAX = 64;

/**
 * Number of the signal that asks a container to end: the configuration's, else the image's, else SIGTERM. Names come
 * with or without `SIG`, real-time ones as `RTMIN+3` or `RTMAX-1`; numbers are taken too, as in an image.
 * @throws PodwrightError kind `invalid-argument` for a signal that Linux does not have
 */
export function stopSignal(config: Pick<ContainerConfig, 'stopSignal'>, image: OciImageConfig): number {
  const given = config.stopSignal || image.config?.StopSignal || 'SIGTERM';
  const name = given.toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  const number = /^\d+$/.test(name)
    ? Number(name)
    : realTime
      ? (realTime[1] === 'MIN' ? RT_MIN : RT_MAX) + Number(`${realTime[2] ?? '+'}${realTime[3] ?? 0}`)
      : SIGNALS.get(`SIG${name}`);
  if (number === undefined || number < 1 || number > RT_MAX) {
    throw new PodwrightError(
      'invalid-argument',
      `The stop signal "${given}" is none of Linux: use a name such as SIGTERM or SIGRTMIN+3.`,
      { details: { value: given } },
    );
  }
  return number;
}
