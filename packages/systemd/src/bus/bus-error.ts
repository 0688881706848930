import { type ErrorKind, PodwrightError } from '@podwright/core';

/** Error names of org.freedesktop.systemd1 (systemd's bus-common-errors.h), of the D-Bus specification, and of errno. */
const KINDS: ReadonlyMap<string, ErrorKind> = new Map(
  Object.entries<ErrorKind>({
    'org.freedesktop.systemd1.NoSuchUnit': 'not-found',
    'org.freedesktop.systemd1.NoUnitForPID': 'not-found',
    'org.freedesktop.systemd1.NoUnitForInvocationID': 'not-found',
    'org.freedesktop.systemd1.NoSuchJob': 'not-found',
    'org.freedesktop.systemd1.NoSuchProcess': 'not-found',
    'org.freedesktop.systemd1.UnitExists': 'already-exists',
    'org.freedesktop.systemd1.LoadFailed': 'invalid-argument',
    'org.freedesktop.systemd1.BadUnitSetting': 'invalid-argument',
    'org.freedesktop.systemd1.UnitMasked': 'failed-precondition',
    'org.freedesktop.systemd1.JobTypeNotApplicable': 'failed-precondition',
    'org.freedesktop.systemd1.OnlyByDependency': 'failed-precondition',
    'org.freedesktop.systemd1.UnitInactive': 'failed-precondition',
    'org.freedesktop.systemd1.ScopeNotRunning': 'failed-precondition',
    'org.freedesktop.systemd1.TransactionJobsConflicting': 'failed-precondition',
    'org.freedesktop.systemd1.TransactionIsDestructive': 'failed-precondition',
    'org.freedesktop.systemd1.TransactionOrderIsCyclic': 'failed-precondition',
    'org.freedesktop.systemd1.ShuttingDown': 'unavailable',
    'org.freedesktop.DBus.Error.AccessDenied': 'permission-denied',
    'org.freedesktop.DBus.Error.AuthFailed': 'permission-denied',
    'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired': 'permission-denied',
    'org.freedesktop.DBus.Error.InvalidArgs': 'invalid-argument',
    'org.freedesktop.DBus.Error.InvalidSignature': 'invalid-argument',
    'org.freedesktop.DBus.Error.MatchRuleInvalid': 'invalid-argument',
    'org.freedesktop.DBus.Error.PropertyReadOnly': 'invalid-argument',
    'org.freedesktop.DBus.Error.ServiceUnknown': 'unavailable',
    'org.freedesktop.DBus.Error.NameHasNoOwner': 'unavailable',
    'org.freedesktop.DBus.Error.Disconnected': 'unavailable',
    'org.freedesktop.DBus.Error.NoReply': 'unavailable',
    'org.freedesktop.DBus.Error.Timeout': 'timeout',
    'org.freedesktop.DBus.Error.UnknownMethod': 'unsupported',
    'org.freedesktop.DBus.Error.UnknownInterface': 'unsupported',
    'org.freedesktop.DBus.Error.UnknownProperty': 'unsupported',
    'org.freedesktop.DBus.Error.NotSupported': 'unsupported',
    'org.freedesktop.DBus.Error.UnknownObject': 'not-found',
    'org.freedesktop.DBus.Error.FileNotFound': 'not-found',
    'org.freedesktop.DBus.Error.FileExists': 'already-exists',
    'org.freedesktop.DBus.Error.LimitsExceeded': 'failed-precondition',
    'System.Error.ENOENT': 'not-found',
    'System.Error.ESRCH': 'not-found',
    'System.Error.EEXIST': 'already-exists',
    'System.Error.EACCES': 'permission-denied',
    'System.Error.EPERM': 'permission-denied',
    'System.Error.EINVAL': 'invalid-argument',
    'System.Error.EBUSY': 'in-use',
    'System.Error.ENOSPC': 'no-space',
    'System.Error.EOPNOTSUPP': 'unsupported',
  }),
);

const ADVICE: Partial<Record<ErrorKind, string>> = {
  'permission-denied': 'Run as root, or give this user the right by a polkit rule.',
  unavailable: 'Check that the service runs, and try again.',
  unsupported: 'The service on this host may be too old.',
};

/**
 * An error reply as PodwrightError: the kind by the error's name, `command-failed` for names that are not known; the
 * message has the service's own words, the details have `errorName` and `errorText`.
 * @param what what was asked for, such as `org.freedesktop.systemd1.Manager.StopUnit`
 */
export function busError(what: string, errorName: string, errorText: string): PodwrightError {
  const kind = KINDS.get(errorName) ?? 'command-failed';
  const advice = ADVICE[kind];
  const words = errorText === '' ? 'no reason given' : errorText.replace(/\.$/, '');
  return new PodwrightError(
    kind,
    `${what} failed: ${words} (${errorName}).${advice === undefined ? '' : ` ${advice}`}`,
    {
      details: { errorName, errorText },
    },
  );
}

/** The error for a bus that cannot be reached or went away. */
export function unavailable(address: string, reason: string, cause?: unknown): PodwrightError {
  return new PodwrightError(
    'unavailable',
    `The D-Bus system bus at ${address} is not available: ${reason}. Check that dbus runs on the host and that its ` +
      'socket can be reached from here.',
    { ...(cause === undefined ? {} : { cause }), details: { address } },
  );
}
