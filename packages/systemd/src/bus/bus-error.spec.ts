import { describe, expect, it } from 'vitest';
import { busError } from './bus-error.js';

describe('an error reply', () => {
  it.each([
    ['org.freedesktop.systemd1.NoSuchUnit', 'not-found'],
    ['org.freedesktop.systemd1.UnitExists', 'already-exists'],
    ['org.freedesktop.systemd1.TransactionIsDestructive', 'failed-precondition'],
    ['org.freedesktop.DBus.Error.AccessDenied', 'permission-denied'],
    ['org.freedesktop.DBus.Error.InteractiveAuthorizationRequired', 'permission-denied'],
    ['org.freedesktop.DBus.Error.ServiceUnknown', 'unavailable'],
    ['org.freedesktop.DBus.Error.NoReply', 'unavailable'],
    ['org.freedesktop.DBus.Error.UnknownMethod', 'unsupported'],
    ['System.Error.EBUSY', 'in-use'],
    ['org.example.Unheard', 'command-failed'],
    ['toString', 'command-failed'],
  ])('%s is of kind %s, with the words of the service', (errorName, kind) => {
    const error = busError('org.example.Do', errorName, 'It is so.');
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(`org.example.Do failed: It is so (${errorName}).`);
    expect(error.details).toEqual({ errorName, errorText: 'It is so.' });
  });
});
