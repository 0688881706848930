import { cri } from '@podwright/cri-api';
import { invalid } from './refusals.js';

/**
 * The name of a stop signal, such as `SIGTERM` or `SIGRTMIN+3`.
 * @returns undefined for the image's own, else the runtime's default
 * @throws PodwrightError kind `invalid-argument`
 */
export function toStopSignal(signal: cri.Signal): string | undefined {
  if (signal === cri.Signal.RUNTIME_DEFAULT) return undefined;
  const name: string | undefined = cri.Signal[signal];
  if (name === undefined) throw invalid(`The stop signal ${signal} is none of the CRI's.`);
  return name.replace('PLUS', '+').replace('MINUS', '-');
}
