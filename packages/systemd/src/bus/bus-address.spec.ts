import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { parseBusAddress } from './bus-address.js';

describe('a bus address', () => {
  it.each([
    ['unix:path=/run/dbus/system_bus_socket', [{ path: '/run/dbus/system_bus_socket' }]],
    ['unix:path=/a%20b%3bc,guid=0123', [{ path: '/a b;c' }]],
    ['unix:abstract=/tmp/x', [{ path: '\0/tmp/x' }]],
    ['tcp:host=::1,port=55', [{ host: '::1', port: 55 }]],
    ['tcp:port=55', [{ host: 'localhost', port: 55 }]],
    ['unix:path=/a;unix:path=/b', [{ path: '/a' }, { path: '/b' }]],
  ])('%s', (address, endpoints) => {
    expect(parseBusAddress(address)).toEqual(endpoints);
  });

  it.each([
    '',
    ';',
    '/run/bus',
    'unix:',
    'unix:tmpdir=/tmp',
    'tcp:host=a',
    'tcp:port=0',
    'tcp:port=x',
    'unix:path=%zz',
    'launchd:env=X',
  ])('%j is refused with the address in the message', (address) => {
    expect(() => parseBusAddress(address)).toThrow(PodwrightError);
    expect(() => parseBusAddress(address)).toThrow(`"${address}"`);
  });
});
