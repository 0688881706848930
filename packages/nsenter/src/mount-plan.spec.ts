import { describe, expect, it } from 'vitest';
import {
  bindPlan,
  keepOptions,
  mayLeaveDaemon,
  mountArguments,
  propagationArguments,
  sensitiveTexts,
} from './mount-plan.js';

const at = { source: '/s', target: '/t' };

describe('arguments of mount(8)', () => {
  it.each([
    [{ ...at, options: [] }, '-- /s /t'],
    [{ ...at, fstype: '', options: [] }, '-- /s /t'],
    [{ ...at, fstype: 'tmpfs', options: ['ro', 'size=1k'] }, '-t tmpfs -o ro,size=1k -- /s /t'],
    [{ ...at, options: ['ro'], sensitiveOptions: ['password=x'] }, '-o ro,password=x -- /s /t'],
    [{ ...at, options: [], sensitiveOptions: ['password=x'] }, '-o password=x -- /s /t'],
    [{ ...at, options: ['rbind'], noCanonicalize: true }, '--no-canonicalize -o rbind -- /s /t'],
    [{ source: '-o', target: '-t', options: [] }, '-- -o -t'],
  ])('%j: %s', (request, expected) => expect(mountArguments(request).join(' ')).toBe(expected));

  it('keep every path in one argument, whatever is in it', () => {
    expect(mountArguments({ source: 'a b', target: '/c\n,d', options: [] })).toEqual(['--', 'a b', '/c\n,d']);
    expect(propagationArguments('/a b', 'rslave')).toEqual(['--make-rslave', '--', '/a b']);
  });
});

describe('steps of a mount with options', () => {
  it.each<[string, string, string | undefined, string]>([
    ['', '', undefined, ''],
    ['ro,nosuid', 'ro,nosuid', undefined, ''],
    ['bind', 'bind', undefined, ''],
    ['bind,', 'bind', undefined, ''],
    ['bind,defaults', 'bind', undefined, ''],
    ['rbind', 'rbind', undefined, ''],
    ['bind,ro', 'bind', 'remount,bind,ro', ''],
    ['ro,rbind,nodev', 'rbind', 'remount,bind,ro,nodev', ''],
    ['bind,rshared', 'bind', undefined, 'rshared'],
    ['rslave,bind,ro,private', 'bind', 'remount,bind,ro', 'rslave,private'],
    ['size=1k,private', 'size=1k', undefined, 'private'],
    ['remount,bind,ro', 'remount,bind,ro', undefined, ''],
    ['bind,rbind', 'rbind', undefined, ''],
  ])('%s: %s, then %s, then %s', (options, first, remount, propagations) => {
    const plan = bindPlan({ ...at, options: options.split(',') });
    expect(plan.first.options.filter((option) => option !== '').join(',')).toBe(first);
    expect(plan.remount?.options.join(',')).toBe(remount);
    expect(plan.propagations.join(',')).toBe(propagations);
  });

  it('of a bind are without type, and sensitive ones come with the remount', () => {
    const plan = bindPlan({ ...at, fstype: 'none', options: ['bind'], sensitiveOptions: ['x=1'] });
    expect(plan.first).toEqual({ ...at, noCanonicalize: false, options: ['bind'] });
    expect(plan.remount).toEqual({
      ...at,
      noCanonicalize: false,
      options: ['remount', 'bind'],
      sensitiveOptions: ['x=1'],
    });
  });

  it.each([
    ['rw,nosuid,nodev,relatime', 'remount,bind,ro', 'nosuid,nodev,relatime,remount,bind,ro'],
    ['ro', 'remount,bind,ro', 'remount,bind,ro'],
    ['nosuid', 'remount,bind,suid', 'nosuid,remount,bind,suid'],
    ['rw', 'remount,bind,ro', 'remount,bind,ro'],
  ])('a remount of what is %s keeps it: %s is %s', (current, options, expected) => {
    const remount = keepOptions({ ...at, options: options.split(',') }, current.split(','));
    expect(remount.options.join(',')).toBe(expected);
  });
});

it.each([
  [undefined, '', true],
  ['fuse.bindfs', 'ro', true],
  ['nfs4', '', true],
  ['ext4', '', true],
  ['tmpfs', 'size=1k', false],
  ['overlay', 'lowerdir=/a', false],
  [undefined, 'bind', false],
  [undefined, 'rbind', false],
  ['fuse.bindfs', 'remount,ro', false],
])('a mount of type %s with %s may leave a daemon: %s', (fstype, options, expected) => {
  expect(mayLeaveDaemon({ ...at, fstype, options: options.split(',') })).toBe(expected);
});

it.each([
  [[], []],
  [['secret'], ['secret']],
  [['password=abc'], ['password=abc', 'abc']],
  [['a=b=c'], ['a=b=c', 'b=c']],
  [['user=u,pass=p'], ['user=u,pass=p', 'u,pass=p', 'user=u', 'u', 'pass=p', 'p']],
])('of %j nobody may see %j', (options, expected) => expect(sensitiveTexts(options)).toEqual(expected));
