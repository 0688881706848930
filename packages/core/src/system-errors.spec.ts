import { describe, expect, it } from 'vitest';
import { systemErrorCode, systemErrorKind } from './system-errors.js';

const systemError = (code: unknown) => Object.assign(new Error('failed'), { code });

describe('an error of the system', () => {
  it.each([
    [systemError('ENOSPC'), 'ENOSPC', 'no-space'],
    [systemError('EDQUOT'), 'EDQUOT', 'no-space'],
    [systemError('EACCES'), 'EACCES', 'permission-denied'],
    [systemError('EPERM'), 'EPERM', 'permission-denied'],
    [systemError('EROFS'), 'EROFS', 'permission-denied'],
    [systemError('ENOENT'), 'ENOENT', undefined],
    [systemError(7), '7', undefined],
    [new Error('plain'), '', undefined],
    ['a text', '', undefined],
    [undefined, '', undefined],
  ])('%s has the code "%s" and is of kind %s', (error, code, kind) => {
    expect([systemErrorCode(error), systemErrorKind(error)]).toEqual([code, kind]);
  });
});
