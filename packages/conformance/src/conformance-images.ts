import type { OciImageExecution } from '@podwright/core';

/** What an image of the suite is, for whoever builds it: busybox's programs, and this beside them. */
export interface ConformanceImage {
  readonly config: OciImageExecution;
  /** Text of files by path; those of /bin can be executed. */
  readonly files?: Readonly<Record<string, string>>;
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Environment of the image `env`: values that a careless runtime would expand, split or cut. */
export const imageEnvironment: Readonly<Record<string, string>> = {
  GREETING: 'hello world',
  PERCENT: '100%n',
  EMPTY: '',
  QUOTES: 'a "b" \'c\' `d` \\e',
  EQUALS: 'a=b',
  UNICODE: 'grüße 🐳',
};

/** The images of the suite. test/host of Podwright's repository builds them with busybox-static. */
export const conformanceImages: Readonly<
  Record<
    'busybox' | 'args' | 'env' | 'nonroot' | 'signal' | 'noCommand' | 'workdir' | 'spare',
    ConformanceImage
  >
> = {
  busybox: { config: { Env: [PATH], Cmd: ['sh'] } },
  args: {
    config: { Env: [PATH], Entrypoint: ['/bin/print-args', 'entry'], Cmd: ['cmd', 'two words'] },
    files: { '/bin/print-args': '#!/bin/sh\nfor arg in "$@"; do printf "<%s>\\n" "$arg"; done\n' },
  },
  env: {
    config: {
      Env: [PATH, ...Object.entries(imageEnvironment).map(([name, value]) => `${name}=${value}`)],
      Cmd: ['env'],
    },
  },
  nonroot: {
    config: { Env: [PATH], User: 'app', WorkingDir: '/home/app', Cmd: ['id'] },
    files: {
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n',
      '/etc/group': 'root:x:0:\napp:x:1000:\naudio:x:29:app\nstaff:x:1500:other,app\n',
    },
  },
  signal: {
    config: { Env: [PATH], Entrypoint: ['/bin/wait-for-signal'], StopSignal: 'SIGUSR1' },
    files: {
      '/bin/wait-for-signal':
        '#!/bin/sh\ntrap "echo got USR1; exit 42" USR1\ntrap "echo got TERM; exit 43" TERM\necho ready\n' +
        'while :; do sleep 1 & wait $!; done\n',
    },
  },
  noCommand: { config: { Env: [PATH] } },
  workdir: {
    config: { Env: [PATH], WorkingDir: '/srv/app', Volumes: { '/data': {} }, Cmd: ['pwd'] },
    files: { '/data/seed': 'from the image\n' },
  },
  spare: { config: { Env: [PATH], Cmd: ['sh'] }, files: { '/spare': 'spare\n' } },
};
