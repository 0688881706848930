import {
  Clock,
  type ContainerConfig,
  ImageService,
  type PodSandboxConfig,
  RuntimeService,
  SystemClock,
} from '@podwright/core';
import { Container } from 'inversify';
import { lastValueFrom } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryBackendModule } from './memory-backend-module.js';

const sandbox = (uid: string): PodSandboxConfig => ({
  metadata: { name: uid, namespace: 'default', uid, attempt: 0 },
  labels: {},
  annotations: {},
  network: 'pod',
  ipc: 'pod',
  pid: 'container',
  portMappings: [],
});

const container = (command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig => ({
  metadata: { name: 'main', attempt: 0 },
  image: 'busybox',
  command,
  env: [],
  mounts: [],
  devices: [],
  labels: {},
  annotations: {},
  resources: {},
  security: {},
  restart: { by: 'caller' },
  terminationGraceMs: 1000,
  ...more,
});

describe('MemoryRuntimeService', () => {
  let service: RuntimeService;

  async function setUp() {
    const di = new Container();
    di.bind(Clock).toConstantValue(new SystemClock());
    await di.load(memoryBackendModule({ registry: { images: [{ reference: 'busybox' }] } }));
    service = di.get(RuntimeService);
    await lastValueFrom(di.get(ImageService).pullImage('busybox'));
    await service.start();
    return service.runPodSandbox(sandbox('u1'));
  }

  afterEach(() => service[Symbol.asyncDispose]());

  async function run(script: string) {
    const sandboxId = await setUp();
    const id = await service.createContainer(sandboxId, container(['sh', '-c', script]));
    await service.startContainer(id);
    const lines: string[] = [];
    for await (const { stream, line } of service.containerLogs(id, { follow: true })) {
      lines.push(`${stream === 'stderr' ? '!' : ''}${line.toString()}`);
    }
    return { lines, exitCode: (await service.containerStatus(id)).attempts.at(-1)?.exitCode };
  }

  it.each([
    ['echo a; echo b >&2; exit 7', ['a', '!b'], 7],
    ["printf '%s|%d|%05d\\n' x 5 7", ['x|5|00007'], 0],
    ['i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done', ['0', '1', '2'], 0],
    ['for x in a "b c"; do echo "<$x>"; done', ['<a>', '<b c>'], 0],
    ['if false; then echo no; elif true; then echo yes; else echo no; fi', ['yes'], 0],
    ['echo one | cat; echo x$(echo y)z', ['one', 'xyz'], 0],
    ['seq 3 | while read n; do echo "n=$n"; done', ['n=1', 'n=2', 'n=3'], 0],
    ['sleep 1000 & kill -9 $!; wait $!; echo $?', ['137'], 0],
    ['nothing-like-it; echo $?', ['!sh: nothing-like-it: not found', '127'], 0],
    [
      'echo hi > /tmp/f; cat /tmp/f; cat < /tmp/f; cat /none',
      ['hi', 'hi', '!cat: /none: No such file or directory'],
      1,
    ],
    ['[ -s /none ] || echo no; : > /e; [ -s /e ] || echo no; echo x > /f; [ -s /f ]', ['no', 'no'], 0],
    ['false || echo or; true && echo and; ! true; echo $?', ['or', 'and', '1'], 0],
    ['(cd /tmp; pwd); pwd; { echo g; }', ['/tmp', '/', 'g'], 0],
    [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell reads it
      'a=1 b="x y"; echo "$a $b ${c:-d}"; A=5 env | cat | while read l; do [ "$l" = A=5 ] && echo found; done; true',
      ['1 x y d', 'found'],
      0,
    ],
    ['exec sh -c "echo replaced; exit 4"', ['replaced'], 4],
    ['trap "echo bye" EXIT; exit 2', ['bye'], 2],
    ['kill -9 $$; echo deaf', ['deaf'], 0],
    ['case x in esac', ['!sh: syntax error: case is beyond the shell of the simulation'], 2],
  ])('runs %s', async (script, lines, exitCode) => {
    expect(await run(script)).toEqual({ lines, exitCode });
  });
});
