import { expect, test } from 'vitest';
import { nsenterCommand, processTarget } from './nsenter-command.js';

test.each([
  [
    'a pinned network namespace',
    { namespaces: { net: '/run/pod/net' } },
    ['--net=/run/pod/net', '--', 'ip', 'addr', '-4'],
  ],
  [
    'a process with its root',
    processTarget('/proc/9/fd/3', { namespaces: ['mount', 'net', 'user'], root: true }),
    [
      '--user=/proc/9/fd/3/ns/user',
      '--net=/proc/9/fd/3/ns/net',
      '--mount=/proc/9/fd/3/ns/mnt',
      '--root=/proc/9/fd/3/root',
      '--wd=/proc/9/fd/3/cwd',
      '--',
      'ip',
      'addr',
      '-4',
    ],
  ],
])('%s', (_name, target, args) => {
  expect(nsenterCommand(target, ['ip', 'addr', '-4'])).toEqual({ command: 'nsenter', args });
});

test.each([
  ['nothing to enter', {}, ['true']],
  ['nothing to run', { net: '/x' }, []],
])('%s is refused', (_name, namespaces, argv) => {
  expect(() => nsenterCommand({ namespaces }, argv)).toThrow('nsenter needs');
});
