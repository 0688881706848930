import type { z } from 'zod';
import { PodwrightError } from './errors.js';

/**
 * Checks options against a schema and fills in the defaults.
 * @param what the options are of, for the message: `the options of the systemd backend`
 * @throws PodwrightError kind `invalid-argument` that names each wrong option and lists those there are
 */
export function parseOptions<Schema extends z.ZodObject>(
  schema: Schema,
  options: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || '(top)'}: ${message}`);
  throw new PodwrightError(
    'invalid-argument',
    `In ${what}: ${problems.join('; ')}. Known keys: ${Object.keys(schema.shape).join(', ')}.`,
    { details: { problems } },
  );
}
