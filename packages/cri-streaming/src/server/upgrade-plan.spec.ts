import { describe, expect, it } from 'vitest';
import { type PendingRequest, planUpgrade, targetOf } from './upgrade-plan.js';

const exec: PendingRequest = {
  kind: 'exec',
  request: { stdin: true, stdout: true, stderr: true, tty: false, run: async () => 0 },
};
const forward: PendingRequest = { kind: 'portforward', request: { run: async () => undefined } };
const forwardTo: PendingRequest = {
  kind: 'portforward',
  request: { ports: [80], run: async () => undefined },
};

const spdy = (protocols: string) => ({ upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocols });
const webSocket = (protocols?: string) => ({
  upgrade: 'websocket',
  ...(protocols !== undefined && { 'sec-websocket-protocol': protocols }),
});

describe('the plan for a client', () => {
  it.each([
    {
      url: '/exec/t',
      pending: exec,
      headers: spdy('v4.channel.k8s.io'),
      plan: ['spdy-command', 'v4.channel.k8s.io'],
    },
    {
      url: '/exec/t',
      pending: exec,
      headers: spdy('v9.channel.k8s.io, v3.channel.k8s.io,v4.channel.k8s.io'),
      plan: ['spdy-command', 'v3.channel.k8s.io'],
    },
    {
      url: '/exec/t',
      pending: exec,
      headers: spdy('channel.k8s.io'),
      plan: ['spdy-command', 'channel.k8s.io'],
    },
    {
      url: '/portforward/t',
      pending: forward,
      headers: spdy('portforward.k8s.io'),
      plan: ['spdy-port-forward', 'portforward.k8s.io'],
    },
    {
      url: '/exec/t',
      pending: exec,
      headers: webSocket('v5.channel.k8s.io, v4.channel.k8s.io'),
      plan: ['websocket-command', 'v5.channel.k8s.io'],
    },
    {
      url: '/exec/t?command=ls',
      pending: exec,
      headers: webSocket('v4.base64.channel.k8s.io'),
      plan: ['websocket-command', 'v4.base64.channel.k8s.io'],
    },
    { url: '/exec/t', pending: exec, headers: webSocket(), plan: ['websocket-command', ''] },
    {
      url: '/portforward/t',
      pending: forward,
      headers: webSocket('SPDY/3.1+portforward.k8s.io'),
      plan: ['websocket-tunnel', 'SPDY/3.1+portforward.k8s.io'],
    },
    {
      url: '/portforward/t?port=80&port=81,82',
      pending: forward,
      headers: webSocket('v4.channel.k8s.io'),
      plan: ['websocket-port-forward', 'v4.channel.k8s.io', [80, 81, 82]],
    },
    {
      url: '/portforward/t',
      pending: forwardTo,
      headers: webSocket('v4.channel.k8s.io'),
      plan: ['websocket-port-forward', 'v4.channel.k8s.io', [80]],
    },
  ])('$url $headers: $plan', ({ url, pending, headers, plan }) => {
    for (const method of ['GET', 'POST']) {
      const made = planUpgrade({ method, url, headers }, pending);
      if (made.type === 'refusal') throw new Error(made.message);
      const ports = made.type === 'websocket-port-forward' ? [made.ports] : [];
      expect([made.type, made.protocol, ...ports]).toEqual(plan);
    }
  });

  it.each([
    { why: 'another path', url: '/', status: 404 },
    { why: 'a path below', url: '/exec/t/x', status: 404 },
    { why: 'an unknown token', url: '/exec/t', pending: undefined, status: 404 },
    { why: 'a token of another kind', url: '/attach/t', status: 404 },
    { why: 'another method', method: 'PUT', status: 405 },
    { why: 'no upgrade', headers: {}, status: 400 },
    { why: 'another upgrade', headers: { upgrade: 'h2c' }, status: 400 },
    { why: 'SPDY without a protocol', headers: { upgrade: 'SPDY/3.1' }, status: 400 },
    { why: 'SPDY with an unknown protocol', headers: spdy('v9.channel.k8s.io'), status: 403 },
    { why: 'version 5 over SPDY', headers: spdy('v5.channel.k8s.io'), status: 403 },
    { why: 'a WebSocket with an unknown protocol', headers: webSocket('chat'), status: 403 },
    {
      why: 'no port',
      url: '/portforward/t',
      pending: forward,
      headers: webSocket('v4.channel.k8s.io'),
      status: 400,
    },
    {
      why: 'a wrong port',
      url: '/portforward/t?port=70000',
      pending: forward,
      headers: webSocket('v4.channel.k8s.io'),
      status: 400,
    },
  ])('$why: $status', (given) => {
    const pending = 'pending' in given ? given.pending : exec;
    const { method = 'GET', url = '/exec/t', headers = spdy('v4.channel.k8s.io'), status } = given;
    expect(planUpgrade({ method, url, headers }, pending)).toMatchObject({ type: 'refusal', status });
  });

  it('names what the server speaks when there is nothing in common', () => {
    const plan = planUpgrade({ method: 'POST', url: '/exec/t', headers: spdy('x') }, exec);
    expect(plan).toMatchObject({
      headers: {
        'X-Accepted-Stream-Protocol-Versions':
          'v4.channel.k8s.io, v3.channel.k8s.io, v2.channel.k8s.io, channel.k8s.io',
      },
    });
  });

  it.each(['', '//', '/exec', '/exec/', '/exec/a/b', '/exec/ä', '/EXEC/a', 'http://[/exec/a'])(
    '%j is no target',
    (url) => {
      expect(targetOf(url)).toBeUndefined();
    },
  );
});
