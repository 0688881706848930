import { z } from 'zod';
import { imageReferenceProblem } from './names.js';
import { defaultPullPolicy } from './pull-policy.js';
import {
  absolutePath,
  byteQuantity,
  DEFAULT_FILE_MODE,
  dnsLabel,
  dnsSubdomain,
  exactlyOne,
  fileMode,
  text,
} from './schema-parts.js';
import { downwardItemsSchema, itemsSchema } from './value-sources-schema.js';

export const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;

const hostPathSchema = z.strictObject({
  path: absolutePath,
  type: z
    .enum([
      '',
      'DirectoryOrCreate',
      'Directory',
      'FileOrCreate',
      'File',
      'Socket',
      'CharDevice',
      'BlockDevice',
    ])
    .default(''),
});

const emptyDirSchema = z.strictObject({
  medium: z.enum(['', 'Memory']).default(''),
  sizeLimit: byteQuantity.exactOptional(),
});

const optional = z.boolean().default(false);
const defaultMode = fileMode.default(DEFAULT_FILE_MODE);

const projectedSourceSchema = z
  .strictObject({
    configMap: z.strictObject({ name: dnsSubdomain, items: itemsSchema, optional }).exactOptional(),
    secret: z.strictObject({ name: dnsSubdomain, items: itemsSchema, optional }).exactOptional(),
    downwardAPI: z.strictObject({ items: downwardItemsSchema }).exactOptional(),
  })
  .check(exactlyOne('configMap', 'secret', 'downwardAPI'));

/** The files of an image, read-only. */
const imageVolumeSchema = z
  .strictObject({
    reference: text(imageReferenceProblem),
    pullPolicy: z.enum(PULL_POLICIES).exactOptional(),
  })
  .transform((image) => ({ ...image, pullPolicy: image.pullPolicy ?? defaultPullPolicy(image.reference) }));

/** That there is exactly one source is checked beside the schema, because others may stand there by mistake. */
export const volumeSchema = z.strictObject({
  name: dnsLabel,
  hostPath: hostPathSchema.exactOptional(),
  emptyDir: emptyDirSchema.exactOptional(),
  configMap: z
    .strictObject({ name: dnsSubdomain, items: itemsSchema, defaultMode, optional })
    .exactOptional(),
  secret: z
    .strictObject({ secretName: dnsSubdomain, items: itemsSchema, defaultMode, optional })
    .exactOptional(),
  projected: z
    .strictObject({ sources: z.array(projectedSourceSchema).default([]), defaultMode })
    .exactOptional(),
  downwardAPI: z.strictObject({ items: downwardItemsSchema, defaultMode }).exactOptional(),
  image: imageVolumeSchema.exactOptional(),
});
