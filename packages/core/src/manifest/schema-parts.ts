import { z } from 'zod';
import {
  absolutePathProblem,
  dnsLabelProblem,
  dnsSubdomainProblem,
  ipProblem,
  nulProblem,
  portNameProblem,
  relativePathProblem,
} from './names.js';
import { byteQuantityProblem, cpuQuantityProblem } from './quantity.js';

/** Text with a rule; the rule says what is wrong with it. */
export function text(problem: (value: string) => string | undefined) {
  return z.string().check((context) => {
    const message = problem(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}

/** YAML reads `cpu: 1` as a number; Kubernetes takes it, and so do we. */
export function quantity(problem: (value: string) => string | undefined) {
  return z.preprocess((value) => (typeof value === 'number' ? String(value) : value), text(problem));
}

/** A check of an object: exactly one of these fields is there. */
export function exactlyOne<T extends object>(...names: readonly (keyof T & string)[]): z.core.CheckFn<T> {
  return ({ value, issues }) => {
    const given = names.filter((name) => value[name] !== undefined);
    // A field that is refused may be meant as the one: that is told already.
    if (given.length === 1 || (given.length === 0 && issues.length > 0)) return;
    const message =
      given.length === 0
        ? `needs ${names.length === 1 ? '' : 'one of '}${names.join(', ')}`
        : `has ${given.join(' and ')}: give it one`;
    issues.push({ code: 'custom', message, input: value });
  };
}

/** A check of an object: `profile` is there when the type is `Localhost`, and only then. */
export function localhostProfileRule(): z.core.CheckFn<{
  type: string;
  localhostProfile?: string;
}> {
  return ({ value, issues }) => {
    const isLocalhost = value.type === 'Localhost';
    if (isLocalhost === (value.localhostProfile !== undefined)) return;
    const message = isLocalhost ? 'is missing: type Localhost needs it' : 'goes with type Localhost only';
    issues.push({ code: 'custom', message, path: ['localhostProfile'], input: value });
  };
}

export const plainText = text(nulProblem);
export const dnsLabel = text(dnsLabelProblem);
export const dnsSubdomain = text(dnsSubdomainProblem);
export const absolutePath = text(absolutePathProblem);
export const relativePath = text(relativePathProblem);
export const ipAddress = text(ipProblem);
export const port = z.int().min(1).max(65535);
export const portOrName = z.union([port, text(portNameProblem)], {
  error: 'has to be a port from 1 to 65535, or the name of one of the container’s ports',
});
/** Kubernetes keeps user and group ids, and seconds, below 2^31. */
export const LARGEST_INT32 = 2147483647;
export const id = z.int().min(0).max(LARGEST_INT32);
export const cpuQuantity = quantity(cpuQuantityProblem);
export const byteQuantity = quantity(byteQuantityProblem);

const LARGEST_MODE = 0o777;
/** Permission bits. JSON has no octal numbers: 0644 is 420 there. */
export const fileMode = z
  .int()
  .check(({ value, issues }) => {
    if (value >= 0 && value <= LARGEST_MODE) return;
    const message =
      'has to be a mode from 0 to 0777, which is 511 in decimal (YAML 1.2 and JSON read 0644 as decimal: write 0o644 or 420)';
    issues.push({ code: 'custom', message, input: value });
  })
  .meta({ minimum: 0, maximum: LARGEST_MODE });
export const DEFAULT_FILE_MODE = 0o644;
