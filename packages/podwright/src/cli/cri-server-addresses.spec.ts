import { describe, expect, it } from 'vitest';
import { handedSocket, parseIp, parseListen, parsePort } from './cri-server-addresses.js';

describe('parseListen', () => {
  it.each([
    ['unix:///run/a.sock', '/run/a.sock'],
    ['/run/a.sock', '/run/a.sock'],
  ])('%s', (text, path) => {
    expect(parseListen(text)).toBe(path);
  });

  it.each(['run/a.sock', 'unix://run/a.sock', 'tcp://127.0.0.1:1', '/run/', ''])('refuses "%s"', (text) => {
    expect(() => parseListen(text)).toThrow('absolute path');
  });
});

describe('parseIp and parsePort', () => {
  it('take addresses and ports', () => {
    expect([parseIp('127.0.0.1'), parseIp('::1'), parsePort('0'), parsePort('65535')]).toEqual([
      '127.0.0.1',
      '::1',
      0,
      65535,
    ]);
  });

  it.each(['localhost', '127.0.0.1:80', ''])('refuse the address "%s"', (text) => {
    expect(() => parseIp(text)).toThrow('IP address');
  });

  it.each(['-1', '65536', 'x', ''])('refuse the port "%s"', (text) => {
    expect(() => parsePort(text)).toThrow('number');
  });
});

describe('handedSocket', () => {
  it.each([
    ['nothing handed over', {}, undefined],
    ['a socket of this process', { LISTEN_PID: '7', LISTEN_FDS: '1' }, 3],
    ["another process' variables", { LISTEN_PID: '8', LISTEN_FDS: '1' }, undefined],
  ])('%s', (_name, env, fd) => {
    expect(handedSocket(env, 7)).toBe(fd);
  });

  it('refuses several', () => {
    expect(() => handedSocket({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7)).toThrow('2 sockets');
  });
});
