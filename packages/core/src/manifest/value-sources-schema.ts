import { z } from 'zod';
import { envFieldProblem, resourceDivisorProblem, volumeFieldProblem } from './field-paths.js';
import { configKeyProblem, envNameProblem, itemPathProblem } from './names.js';
import { dnsLabel, dnsSubdomain, exactlyOne, fileMode, plainText, quantity, text } from './schema-parts.js';

const RESOURCES = [
  ...['limits.cpu', 'limits.memory', 'limits.ephemeral-storage'],
  ...['requests.cpu', 'requests.memory', 'requests.ephemeral-storage'],
] as const;

function fieldRef(problem: (path: string) => string | undefined) {
  return z.strictObject({ apiVersion: z.literal('v1').default('v1'), fieldPath: text(problem) });
}

function resourceFieldRef<T extends z.ZodType>(containerName: T) {
  return z
    .strictObject({
      containerName,
      resource: z.enum(RESOURCES),
      /** What the amount is divided by, rounded up; 0 is 1, as in Kubernetes. */
      divisor: quantity(() => undefined).default('1'),
    })
    .check(({ value, issues }) => {
      const { resource, divisor } = value as { resource: string; divisor: string };
      const message = resourceDivisorProblem(resource, divisor);
      if (message !== undefined) {
        issues.push({ code: 'custom', message, path: ['divisor'], input: divisor });
      }
    });
}

/** An object by name, and whether the pod may do without it. */
const objectRef = z.strictObject({ name: dnsSubdomain, optional: z.boolean().default(false) });
const keyRef = z.strictObject({
  name: dnsSubdomain,
  key: text(configKeyProblem),
  optional: z.boolean().default(false),
});

const envSourceSchema = z
  .strictObject({
    fieldRef: fieldRef(envFieldProblem).exactOptional(),
    resourceFieldRef: resourceFieldRef(dnsLabel.exactOptional()).exactOptional(),
    configMapKeyRef: keyRef.exactOptional(),
    secretKeyRef: keyRef.exactOptional(),
  })
  .check(exactlyOne('fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef'));

export const envSchema = z
  .strictObject({
    name: text(envNameProblem),
    value: plainText.default(''),
    valueFrom: envSourceSchema.exactOptional(),
  })
  .check(({ value: entry, issues }) => {
    if (entry.valueFrom === undefined || entry.value === '') return;
    issues.push({
      code: 'custom',
      message: 'cannot be given together with value',
      path: ['valueFrom'],
      input: undefined,
    });
  });

export const envFromSchema = z
  .strictObject({
    prefix: text((value) => (value === '' ? undefined : envNameProblem(value))).default(''),
    configMapRef: objectRef.exactOptional(),
    secretRef: objectRef.exactOptional(),
  })
  .check(exactlyOne('configMapRef', 'secretRef'));

/** Which keys of an object become files, and where; without items all do. */
export const itemsSchema = z
  .array(
    z.strictObject({
      key: text(configKeyProblem),
      path: text(itemPathProblem),
      mode: fileMode.exactOptional(),
    }),
  )
  .default([]);

export const downwardItemsSchema = z
  .array(
    z
      .strictObject({
        path: text(itemPathProblem),
        fieldRef: fieldRef(volumeFieldProblem).exactOptional(),
        resourceFieldRef: resourceFieldRef(dnsLabel).exactOptional(),
        mode: fileMode.exactOptional(),
      })
      .check(exactlyOne('fieldRef', 'resourceFieldRef')),
  )
  .default([]);
