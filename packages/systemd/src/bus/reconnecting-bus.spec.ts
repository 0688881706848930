import { messageOf, PodwrightError } from '@podwright/core';
import { config, filter, firstValueFrom, type Observable, skip, take, toArray } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { BusPeer } from '../../test/bus-peer.js';
import { Cleanup } from '../../test/cleanup.js';
import { DbusDaemon } from '../../test/dbus-daemon.js';
import { DAEMON } from './bus-connection.js';
import { variant } from './bus-value.js';
import { MessageType } from './message-codec.js';
import { ReconnectingBus } from './reconnecting-bus.js';
import type { BusSignal, BusState } from './systemd-bus.js';

const ECHO = { destination: 'org.example.Echo', path: '/echo', interface: 'org.example.Echo' } as const;
const listNames = { ...DAEMON, member: 'ListNames' };

const cleanup = new Cleanup();
afterEach(() => {
  config.onUnhandledError = null;
});

async function daemonOf(options?: Parameters<typeof DbusDaemon.start>[0]): Promise<DbusDaemon> {
  return cleanup.use(await DbusDaemon.start(options));
}

function busAt(address: string, timeouts: { callTimeoutMs?: number; connectTimeoutMs?: number } = {}) {
  return cleanup.use(
    new ReconnectingBus({ address, callTimeoutMs: 15_000, connectTimeoutMs: 15_000, ...timeouts }),
  );
}

async function connectedBus(daemon: DbusDaemon, callTimeoutMs = 15_000): Promise<ReconnectingBus> {
  const bus = busAt(daemon.address, { callTimeoutMs });
  await bus.start();
  return bus;
}

async function peerAt(daemon: DbusDaemon): Promise<BusPeer> {
  const peer = await BusPeer.connect(daemon.address);
  cleanup.defer(() => peer.end());
  return peer;
}

async function echoAt(daemon: DbusDaemon): Promise<BusPeer> {
  const peer = await peerAt(daemon);
  await peer.own(ECHO.destination);
  return peer;
}

const stateOf = (bus: ReconnectingBus, state: BusState) =>
  firstValueFrom(bus.state.pipe(filter((value) => value === state)));
const next = (signals: Observable<BusSignal>) => firstValueFrom(signals);
const kindOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (PodwrightError.is(error) ? error.kind : messageOf(error)),
  );

describe('a bus and its daemon', () => {
  it('sends RemoveMatch with the last subscriber, so that subscriptions come and go beyond the limit', async () => {
    const daemon = await daemonOf({ matchRules: 8 });
    const bus = await connectedBus(daemon);
    for (let round = 0; round < 100; round++) {
      const subscription = bus.signals({ sender: DAEMON.destination, arg0: `a.b${round}` }).subscribe();
      await bus.call(listNames);
      subscription.unsubscribe();
    }
    const peer = await echoAt(daemon);
    const received = next(bus.signals({ interface: 'org.example.Echo', member: 'Beep' }));
    await bus.call(listNames);
    peer.emit('/echo', 'org.example.Echo', 'Beep', 's', ['still here']);
    expect((await received).body).toEqual(['still here']);
  });

  it('has one rule in the daemon for equal matches', async () => {
    const bus = await connectedBus(await daemonOf({ matchRules: 2 }));
    const errors: unknown[] = [];
    const subscribe = () =>
      bus.signals({ interface: 'a.b' }).subscribe({ error: (error) => errors.push(error) });
    const subscriptions = Array.from({ length: 20 }, subscribe);
    await bus.call(listNames);
    for (const subscription of subscriptions.slice(1)) subscription.unsubscribe();
    await bus.call(listNames);
    expect(errors).toEqual([]);
  });

  it('makes a refused rule the error of its subscribers', async () => {
    const bus = await connectedBus(await daemonOf({ matchRules: 1 }));
    bus.signals({ interface: 'a.first' }).subscribe();
    const refused = await kindOf(next(bus.signals({ interface: 'a.second' })));
    expect(refused).toBe('failed-precondition');
  });

  it('fails what is pending with kind unavailable when the daemon dies, and later calls at once', async () => {
    const daemon = await daemonOf();
    const echo = await echoAt(daemon);
    const bus = await connectedBus(daemon);
    const asked = firstValueFrom(echo.received.pipe(filter((message) => message.member === 'Never')));
    const pending = kindOf(bus.call({ ...ECHO, member: 'Never' }));
    await asked;
    await daemon.kill();
    expect(await pending).toBe('unavailable');
    await stateOf(bus, 'disconnected');
    expect(await kindOf(bus.call(listNames))).toBe('unavailable');
  });

  it('comes back when the daemon does, with the subscriptions in place before it says so', async () => {
    const daemon = await daemonOf();
    const bus = await connectedBus(daemon);
    const states = firstValueFrom(bus.state.pipe(take(3), toArray()));
    const received = next(bus.signals({ sender: 'org.example.Echo', member: 'Beep' }));
    await daemon.kill();
    await stateOf(bus, 'disconnected');
    const subscribedWhileAway = next(bus.signals({ member: 'Boop' }));
    await daemon.boot();
    await stateOf(bus, 'connected');
    const echo = await echoAt(daemon);
    echo.emit('/echo', 'org.example.Echo', 'Beep');
    echo.emit('/echo', 'org.example.Echo', 'Boop');
    expect((await received).member).toBe('Beep');
    expect((await subscribedWhileAway).member).toBe('Boop');
    expect(await states).toEqual(['connected', 'disconnected', 'connected']);
  });

  it('survives the daemon more than once', async () => {
    const daemon = await daemonOf();
    const bus = await connectedBus(daemon);
    for (let round = 0; round < 3; round++) {
      await daemon.kill();
      await stateOf(bus, 'disconnected');
      await daemon.boot();
      await stateOf(bus, 'connected');
      expect(await bus.call(listNames)).toHaveLength(1);
    }
  });

  it('gives every call a time, and goes on after a late answer', async () => {
    const daemon = await daemonOf();
    const bus = await connectedBus(daemon);
    daemon.signal('SIGSTOP');
    expect(await kindOf(bus.call({ ...listNames, timeoutMs: 50 }))).toBe('timeout');
    daemon.signal('SIGCONT');
    expect(await bus.call(listNames)).toHaveLength(1);
  });

  it('takes the default time from its options', async () => {
    const daemon = await daemonOf();
    const bus = await connectedBus(daemon, 50);
    daemon.signal('SIGSTOP');
    expect(await kindOf(bus.call(listNames))).toBe('timeout');
    daemon.signal('SIGCONT');
  });

  it('stops waiting when the caller cancels', async () => {
    const daemon = await daemonOf();
    await echoAt(daemon);
    const bus = await connectedBus(daemon);
    const controller = new AbortController();
    const call = kindOf(bus.call({ ...ECHO, member: 'Never', signal: controller.signal }));
    controller.abort();
    expect(await call).toBe('cancelled');
    expect(await kindOf(bus.call({ ...listNames, signal: AbortSignal.abort() }))).toBe('cancelled');
  });

  it('sends the same call as often as it is asked to', async () => {
    const bus = await connectedBus(await daemonOf());
    const first = await bus.call(listNames);
    expect(await bus.call(listNames)).toEqual(first);
  });

  it('answers a thousand calls made at once, though the daemon allows 128 of them, each with its own reply', async () => {
    const daemon = await daemonOf();
    const echo = await echoAt(daemon);
    echo.serve((call) => ({ signature: 'u', body: call.body }));
    const bus = await connectedBus(daemon);
    const numbers = Array.from({ length: 1_000 }, (_, index) => index);
    const replies = await Promise.all(
      numbers.map((number) => bus.call({ ...ECHO, member: 'Echo', signature: 'u', body: [number] })),
    );
    expect(replies.flat()).toEqual(numbers);
  });

  it('keeps an exception of a listener from the sender of the signal, and from other listeners', async () => {
    const daemon = await daemonOf();
    const peer = await peerAt(daemon);
    const bus = await connectedBus(daemon);
    const unhandled = new Promise((resolve) => {
      config.onUnhandledError = resolve;
    });
    const errorsAtPeer: unknown[] = [];
    peer.received.subscribe((message) => {
      if (message.type === MessageType.error) errorsAtPeer.push(message);
    });
    bus.signals({ member: 'Beep' }).subscribe(() => {
      throw new Error('a secret of the listener');
    });
    const received = next(bus.signals({ member: 'Beep' }));
    await bus.call(listNames);
    peer.emit('/echo', 'org.example.Echo', 'Beep');
    await received;
    expect(messageOf(await unhandled)).toBe('a secret of the listener');
    await bus.call(listNames);
    await peer.call({ ...DAEMON, member: 'ListNames' });
    expect(errorsAtPeer).toEqual([]);
  });

  it('does not believe a signal that somebody else sends in the name of a service', async () => {
    const daemon = await daemonOf();
    const echo = await echoAt(daemon);
    const liar = await peerAt(daemon);
    const bus = await connectedBus(daemon);
    const bodies: unknown[] = [];
    const received = firstValueFrom(
      bus.signals({ sender: 'org.example.Echo', member: 'Beep' }).pipe(skip(1)),
    );
    bus.signals({ sender: 'org.example.Echo', member: 'Beep' }).subscribe(({ body }) => bodies.push(...body));
    await bus.call(listNames);
    const [owner] = await bus.call({
      ...DAEMON,
      member: 'GetNameOwner',
      signature: 's',
      body: [ECHO.destination],
    });
    expect(owner).toBe(echo.uniqueName);
    const names = (await bus.call(listNames))[0] as string[];
    for (const name of names.filter((name) => name.startsWith(':'))) {
      liar.emit('/echo', 'org.example.Echo', 'Beep', 's', ['a lie'], name);
    }
    await liar.call({ ...DAEMON, member: 'ListNames' });
    echo.emit('/echo', 'org.example.Echo', 'Beep', 's', ['one']);
    echo.emit('/echo', 'org.example.Echo', 'Beep', 's', ['two']);
    await received;
    expect(bodies).toEqual(['one', 'two']);
  });

  it('believes the next owner of a name', async () => {
    const daemon = await daemonOf();
    const bus = await connectedBus(daemon);
    const received = firstValueFrom(
      bus.signals({ sender: 'org.example.Echo', member: 'Beep' }).pipe(take(2), toArray()),
    );
    await bus.call(listNames);
    for (let round = 0; round < 2; round++) {
      const released = firstValueFrom(
        bus
          .signals({ sender: DAEMON.destination, member: 'NameOwnerChanged', arg0: ECHO.destination })
          .pipe(filter(({ body }) => body[2] === '')),
      );
      const echo = await echoAt(daemon);
      echo.emit('/echo', 'org.example.Echo', 'Beep');
      await echo.call({ ...DAEMON, member: 'ListNames' });
      echo.end();
      await released;
    }
    expect((await received).map(({ member }) => member)).toEqual(['Beep', 'Beep']);
  });

  it('answers a method call with an error, and a ping', async () => {
    const daemon = await daemonOf();
    const peer = await peerAt(daemon);
    const bus = await connectedBus(daemon);
    const names = (await bus.call(listNames))[0] as string[];
    const destination = names.filter((name) => name.startsWith(':') && name !== peer.uniqueName)[0] ?? '';
    const ask = (from: string, member: string) =>
      peer.call({ destination, path: '/', interface: from, member });
    await expect(ask('org.freedesktop.DBus.Introspectable', 'Introspect')).rejects.toThrow(/UnknownMethod/);
    expect(await ask('org.freedesktop.DBus.Peer', 'Ping')).toEqual([]);
  });
});

describe('values', () => {
  it.each([
    ['t', 5, 5],
    ['t', 5n, 5],
    ['t', 2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    ['t', 2n ** 53n, 2n ** 53n],
    ['t', 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['x', -5, -5],
    ['x', -(2n ** 62n), -(2n ** 62n)],
    ['i', -2_147_483_648, -2_147_483_648],
    ['d', 1.5, 1.5],
    ['b', true, true],
    ['s', 'Grüße, 世界 %n $HOME', 'Grüße, 世界 %n $HOME'],
    ['s', '', ''],
    ['as', [], []],
    ['ay', Buffer.from([0, 255, 1]), Buffer.from([0, 255, 1])],
    ['aay', [Buffer.from('a'), Buffer.from('')], [Buffer.from('a'), Buffer.from('')]],
    ['v', variant('t', 7n), 7],
    ['(sv)', ['a', variant('as', ['b'])], ['a', ['b']]],
    [
      'a(sv)',
      [['a', variant('a(sasas)', [['/x', ['/x', '$A'], ['no-env-expand']]])]],
      [['a', [['/x', ['/x', '$A'], ['no-env-expand']]]]],
    ],
    ['a{sv}', { a: variant('v', variant('u', 1)) }, { a: 1 }],
  ] as const)('%s %o arrives as %o', async (signature, sent, arrives) => {
    const daemon = await daemonOf();
    const echo = await echoAt(daemon);
    echo.serve(() => ({ signature, body: [sent] }));
    const bus = await connectedBus(daemon);
    expect(await bus.call({ ...ECHO, member: 'Echo', signature, body: [sent] })).toEqual([arrives]);
  });

  it('takes a message of a megabyte whole', async () => {
    const daemon = await daemonOf();
    const text = 'x'.repeat(1_000_000);
    const echo = await echoAt(daemon);
    echo.serve((call) => ({ signature: 's', body: call.body }));
    const bus = await connectedBus(daemon);
    expect(await bus.call({ ...ECHO, member: 'Echo', signature: 's', body: [text] })).toEqual([text]);
  });

  it.each([
    ['u', [-1]],
    ['u', ['text']],
    ['s', ['a\0b']],
    ['ss', ['only one']],
    ['t', [2n ** 64n]],
  ] as const)('refuses %s for %o before it is sent', async (signature, body) => {
    const bus = await connectedBus(await daemonOf());
    expect(await kindOf(bus.call({ ...ECHO, member: 'Echo', signature, body }))).toBe('invalid-argument');
    expect(await bus.call(listNames)).toHaveLength(1);
  });
});

describe('starting and ending', () => {
  it('says who does not listen', async () => {
    const daemon = await daemonOf();
    await daemon.kill();
    const bus = busAt('unix:path=/nonexistent/socket');
    await expect(bus.start()).rejects.toThrow(/unix:path=\/nonexistent\/socket is not available.*ENOENT/);
    expect(await kindOf(busAt(daemon.address).start())).toBe('unavailable');
  });

  it('starts after a failed start', async () => {
    const daemon = await daemonOf();
    await daemon.kill();
    const bus = busAt(daemon.address);
    expect(await kindOf(bus.start())).toBe('unavailable');
    await daemon.boot();
    await bus.start();
    expect(await bus.call(listNames)).toHaveLength(1);
  });

  it('tries the addresses of a list in their order', async () => {
    const daemon = await daemonOf();
    const bus = busAt(`unix:path=/nonexistent/socket;${daemon.address}`);
    await bus.start();
    expect(await bus.call(listNames)).toHaveLength(1);
  });

  it('fails with a clear error when the daemon does not answer the authentication', async () => {
    const daemon = await daemonOf();
    daemon.signal('SIGSTOP');
    const bus = busAt(daemon.address, { connectTimeoutMs: 100 });
    await expect(bus.start()).rejects.toThrow(/no answer within 100 ms.*user namespaces/);
    daemon.signal('SIGCONT');
  });

  it.runIf(process.getuid?.() === 0)('authenticates across user namespaces', async () => {
    const daemon = await daemonOf({ wrapper: ['unshare', '--user', '--map-user=1000', '--map-group=1000'] });
    const bus = await connectedBus(daemon);
    expect(await bus.call(listNames)).toHaveLength(1);
  });

  it('refuses calls before the start and after the end', async () => {
    const daemon = await daemonOf();
    const bus = busAt(daemon.address);
    expect(await kindOf(bus.call(listNames))).toBe('failed-precondition');
    await bus.start();
    await bus.start();
    const pending = kindOf(bus.call(listNames));
    const signals = firstValueFrom(bus.signals({ member: 'Beep' }), { defaultValue: 'completed' });
    await bus[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    expect(await pending).toBe('closed');
    expect(await signals).toBe('completed');
    expect(await kindOf(bus.call(listNames))).toBe('closed');
    expect(await kindOf(bus.start())).toBe('closed');
  });

  it('ends while it waits for the daemon to come back', async () => {
    const daemon = await daemonOf();
    const bus = await connectedBus(daemon);
    await daemon.kill();
    await stateOf(bus, 'disconnected');
    await bus[Symbol.asyncDispose]();
    expect(await kindOf(bus.call(listNames))).toBe('closed');
  });
});
