import { PodwrightError } from '@podwright/core';

/** Where a bus listens, as `node:net` connects to it. */
export type BusEndpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** The system bus where no configuration names another (D-Bus specification, "Well-known Message Bus Instances"). */
export const DEFAULT_SYSTEM_BUS_ADDRESS = 'unix:path=/run/dbus/system_bus_socket';

/**
 * Reads a D-Bus address list (D-Bus specification, "Server Addresses"): `unix:path=`, `unix:abstract=` and `tcp:`.
 * @returns the endpoints in the order in which they are to be tried
 * @throws PodwrightError kind `invalid-argument`
 */
export function parseBusAddress(address: string): readonly [BusEndpoint, ...BusEndpoint[]] {
  const [first, ...more] = address
    .split(';')
    .filter((entry) => entry !== '')
    .map((entry) => parseEntry(entry, address));
  if (first === undefined) throw malformed(address, 'it is empty');
  return [first, ...more];
}

function parseEntry(entry: string, address: string): BusEndpoint {
  const colon = entry.indexOf(':');
  const transport = entry.slice(0, Math.max(colon, 0));
  const values = new Map<string, string>();
  for (const pair of entry.slice(colon + 1).split(',')) {
    const equals = pair.indexOf('=');
    if (equals > 0) values.set(pair.slice(0, equals), unescapeValue(pair.slice(equals + 1), address));
  }
  const path = values.get('path');
  const abstract = values.get('abstract');
  if (transport === 'unix' && path !== undefined) return { path };
  if (transport === 'unix' && abstract !== undefined) return { path: `\0${abstract}` };
  if (transport === 'tcp') {
    const port = Number(values.get('port'));
    if (Number.isInteger(port) && port > 0 && port < 65_536)
      return { host: values.get('host') ?? 'localhost', port };
    throw malformed(address, `"${entry}" has no port between 1 and 65535`);
  }
  throw malformed(address, `"${entry}" is none of unix:path=, unix:abstract= and tcp:host=,port=`);
}

/** Bytes outside the optionally-escaped set are written `%xx`. */
function unescapeValue(value: string, address: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw malformed(address, `"${value}" is not escaped as bytes of UTF-8`);
  }
}

function malformed(address: string, reason: string): PodwrightError {
  return new PodwrightError(
    'invalid-argument',
    `The D-Bus address "${address}" cannot be used: ${reason}. Write it as in "${DEFAULT_SYSTEM_BUS_ADDRESS}".`,
    { details: { address } },
  );
}
