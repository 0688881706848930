import { type OciImageConfig, PodwrightError } from '@podwright/core';

/**
 * Reads an image's configuration (image-spec config.md; docker's has the same fields).
 * @param what the image, for the message
 * @throws PodwrightError kind `corrupt-state` when it is no such document
 */
export function parseImageConfig(text: string, what: string): OciImageConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new PodwrightError(
      'corrupt-state',
      `The configuration of ${what} is no JSON: pull the image again.`,
      {
        cause: error,
      },
    );
  }
  if (!isConfig(parsed)) {
    throw new PodwrightError('corrupt-state', `The configuration of ${what} is none: pull the image again.`);
  }
  return parsed;
}

function isConfig(value: unknown): value is OciImageConfig {
  if (!isObject(value)) return false;
  const config = value['config'];
  if (config === undefined) return true;
  // Written by Go programs: a nil map or slice is null.
  if (!isObject(config)) return false;
  const textOk = ['User', 'WorkingDir', 'StopSignal'].every(
    (key) => isAbsent(config[key]) || typeof config[key] === 'string',
  );
  const listsOk = ['Env', 'Entrypoint', 'Cmd'].every(
    (key) => isAbsent(config[key]) || isTextList(config[key]),
  );
  const mapsOk = ['Labels', 'Volumes', 'ExposedPorts'].every(
    (key) => isAbsent(config[key]) || isObject(config[key]),
  );
  return textOk && listsOk && mapsOk;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
