import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ConfigObject, parseConfigObject, VolumeProvider, type VolumeUsage } from '@podwright/core';
import { createContainer } from 'podwright';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { testImages } from '../host/images.js';
import { fewer, slowness } from '../slowness.js';
import { filesWith } from './support/files.js';
import { RecordingLogger } from './support/recording-logger.js';
import {
  agentConfig,
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { containerOf, logLines, podStatusAtEnd, podStatusWhen, shell, testPod } from './support/test-pods.js';

const SECRET = `hush-${Math.random().toString(36).slice(2)}`;
const log = new RecordingLogger();
let agent: TestAgent;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder(), { modules: [log.module] });
  await pullBusybox(agent);
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

const run = async (command: string, ...args: readonly string[]) =>
  (await promisify(execFile)(command, [...args])).stdout;

const mounts = async () =>
  (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');

function object(kind: 'ConfigMap' | 'Secret', data: Readonly<Record<string, string>>): ConfigObject {
  const content = kind === 'Secret' ? { stringData: data } : { data };
  return parseConfigObject({ apiVersion: 'v1', kind, metadata: { name: 'o' }, ...content });
}

async function exec(uid: string, script: string, container = 'main'): Promise<string> {
  const { stdout } = await agent.runtime.runInContainer({ uid, container }, ['sh', '-c', script]);
  return stdout.toString();
}

describe('secrets', () => {
  it('lie on a tmpfs that only root enters and in the agent’s 0600 files, and nowhere else', async () => {
    const env = [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'o', key: 'key' } } }];
    const volumes = [{ name: 's', secret: { secretName: 'o', defaultMode: 0o400 } }];
    const volumeMounts = [{ name: 's', mountPath: '/s' }];
    const pod = testPod('secret', [shell('main', 'sleep 100000', { env, volumeMounts })], { volumes });
    const { uid } = await agent.runtime.runPod(pod, { objects: [object('Secret', { key: SECRET })] });
    expect(await exec(uid, 'cat /s/key; echo "$KEY"')).toBe(`${SECRET}${SECRET}\n`);
    const parent = join(agent.layout.objectVolumesDir, uid);
    expect((await stat(parent)).mode & 0o7777).toBe(0o700);
    expect(await mounts()).toContain(parent);
    const found = await filesWith(agent.folder, SECRET);
    expect(found.length).toBeGreaterThan(1);
    expect(found.filter(({ mode }) => (mode & 0o077) !== 0)).toEqual([]);
    expect(await run('systemctl', 'show', 'podwright-*.service')).not.toContain(SECRET);
    expect(log.lines.join('\n')).not.toContain(SECRET);
    await agent.runtime.removePod({ uid });
    expect(await mounts()).not.toContain(parent);
    expect(await filesWith(agent.folder, SECRET)).toEqual([]);
  });
});

describe('an update', () => {
  it('is seen whole by whoever enters ..data', async () => {
    const volumes = [{ name: 'c', configMap: { name: 'o' } }];
    const volumeMounts = [{ name: 'c', mountPath: '/c' }];
    // A reader that finds two files of different generations says so.
    const script =
      'n=0; while [ ! -e /tmp/stop ]; do if cd -P /c/..data 2>/dev/null && a=$(cat a) && b=$(cat b); then ' +
      '[ "$a" = "$b" ] || echo "torn $a $b"; n=$((n + 1)); [ "$n" = 20 ] && touch /tmp/enough; fi; ' +
      'done 2>/dev/null; echo end';
    const pod = testPod('reader', [shell('main', script, { volumeMounts })], { volumes });
    const content = (value: number) => [object('ConfigMap', { a: `${value}`, b: `${value}` })];
    const { uid } = await agent.runtime.runPod(pod, { objects: content(0) });
    let value = 0;
    do {
      for (let i = 0; i < 40; i++) await agent.runtime.updateObjects({ uid }, content(++value));
    } while ((await exec(uid, '[ -e /tmp/enough ] || echo not yet')) !== '');
    expect(await exec(uid, 'readlink /c/a; cat /c/a; touch /tmp/stop')).toBe(`..data/a\n${value}`);
    await podStatusAtEnd(agent, uid);
    expect(await logLines(agent, { uid })).toEqual(['stdout: end']);
    const names = await readdir(join(agent.layout.objectVolumesDir, uid, 'c'));
    expect(names.filter((name) => /^\.\.\d/.test(name))).toHaveLength(1);
  });
});

describe('a part of a volume', () => {
  const volumes = [{ name: 'd', emptyDir: {} }];

  it.each([
    ['a link to the host', 'ln -s /etc /d/x', 'x'],
    ['a link upwards', 'ln -s ../../../../../../etc /d/x', 'x'],
    ['a link on the way', 'ln -s / /d/x', 'x/etc'],
    ['a link to a file of the host', 'ln -s /etc/hostname /d/x', 'x'],
  ])('does not leave it by %s', async (_what, prepare, subPath) => {
    const pod = testPod(
      'hostile',
      [shell('main', 'ls /part; cat /part', { volumeMounts: [{ name: 'd', mountPath: '/part', subPath }] })],
      {
        volumes,
        initContainers: [
          {
            ...shell('prepare', prepare, { volumeMounts: [{ name: 'd', mountPath: '/d' }] }),
            image: testImages.busybox,
          },
        ],
      },
    );
    await expect(agent.runtime.runPod(pod)).rejects.toMatchObject({ kind: 'container-start-failed' });
  });

  it.each([
    [
      'a directory',
      'mkdir real; touch real/mine; ln -s ../outside link; ' +
        'while :; do mv -T real x; mv -T x real; mv -T link x; mv -T x link; done',
      'ls /part',
    ],
    [
      'a file',
      'while :; do echo mine > real; mv -T real x; ln -s ../outside/mark link; mv -T link x; done',
      'cat /part',
    ],
  ])(
    'never shows the host, however fast another container changes %s into a link',
    async (_what, swap, look) => {
      const directory = await mkdtemp('/run/podwright-e2e-host-');
      onTestFinished(() => rm(directory, { recursive: true }));
      await mkdir(join(directory, 'volume'));
      await mkdir(join(directory, 'outside'));
      await writeFile(join(directory, 'outside/mark'), 'mark\n');
      const shared = [{ name: 'd', hostPath: { path: join(directory, 'volume') } }];
      const mounts = [{ name: 'd', mountPath: '/d' }];
      const swapper = shell('main', `cd /d; exec 2>/dev/null; ${swap}`, { volumeMounts: mounts });
      const { uid: swapping } = await agent.runtime.runPod(
        testPod('swapper', [swapper], { volumes: shared }),
      );
      const seen = new Set<string>();
      for (let times = 0; times < fewer(25); times++) {
        const volumeMounts = [{ name: 'd', mountPath: '/part', subPath: 'x' }];
        const victim = testPod(`victim-${times}`, [shell('main', look, { volumeMounts })], {
          volumes: shared,
        });
        try {
          const { uid } = await agent.runtime.runPod(victim);
          await podStatusAtEnd(agent, uid);
          for (const line of await logLines(agent, { uid })) seen.add(line);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'container-start-failed' });
          seen.add('refused');
        }
      }
      expect(seen).not.toContain('stdout: mark');
      expect([...seen].some((line) => line === 'refused' || line === 'stdout: mine')).toBe(true);
      await agent.runtime.removePod({ uid: swapping }, { graceMs: 0 });
      expect(await readdir(join(directory, 'outside'))).toEqual(['mark']);
    },
  );

  it('is there again when systemd starts a container while no agent lives', async () => {
    const script =
      'cat /part /c/key; echo "$(cat /d/own 2>/dev/null)"; echo kept > /d/own; ' +
      'if [ -e /all/again ]; then exec sleep 100000; fi; until [ -e /all/go ]; do sleep 0.1; done; touch /all/again; exit 1';
    const pod = testPod(
      'again',
      [
        shell('main', script, {
          volumeMounts: [
            { name: 'd', mountPath: '/all' },
            { name: 'd', mountPath: '/d', subPath: 'own/dir' },
            { name: 'c', mountPath: '/c' },
            { name: 'c', mountPath: '/part', subPath: 'key' },
          ],
        }),
      ],
      { restartPolicy: 'OnFailure', volumes: [...volumes, { name: 'c', configMap: { name: 'o' } }] },
    );
    const { uid } = await agent.runtime.runPod(pod, { objects: [object('ConfigMap', { key: 'value\n' })] });
    const id = containerOf(await agent.runtime.getPodStatus({ uid }), 'main').id.replace(/^.*:\/\//, '');
    await agent[Symbol.asyncDispose]();
    try {
      const data = join(agent.layout.volumesDir, uid, 'd');
      await writeFile(join(data, 'go'), '');
      await expect
        .poll(() => readFile(agent.layout.container(id).startedMarker, 'utf8').catch(() => ''), {
          timeout: 20_000 * slowness,
        })
        .not.toBe('');
      await expect.poll(() => readdir(data), { timeout: 20_000 * slowness }).toContain('again');
    } finally {
      agent = await startTestAgent(agent.folder, { modules: [log.module] });
    }
    await podStatusWhen(
      agent,
      uid,
      ({ containers }) => containers[0]?.restartCount === 1 && containers[0].state === 'running',
    );
    await expect
      .poll(() => logLines(agent, { uid, container: 'main' }), { timeout: 10_000 * slowness })
      .toEqual(['stdout: value', 'stdout: value', 'stdout: kept']);
    await agent.runtime.updateObjects({ uid }, [object('ConfigMap', { key: 'new\n' })]);
    expect(await exec(uid, 'cat /c/key /part')).toBe('new\nvalue\n');
  });
});

describe('mounts', () => {
  it('that are recursively read-only cover what is mounted below them; plain ones do not', async () => {
    const directory = await mkdtemp('/run/podwright-e2e-host-');
    await mkdir(join(directory, 'below'));
    await run('mount', '-t', 'tmpfs', 'below', join(directory, 'below'));
    try {
      const volumes = [{ name: 'h', hostPath: { path: directory } }];
      const mount = (name: string, more = {}) => ({
        name: 'h',
        mountPath: `/${name}`,
        readOnly: true,
        ...more,
      });
      const volumeMounts = [
        mount('plain'),
        mount('all', { recursiveReadOnly: 'Enabled' }),
        mount('possible', { recursiveReadOnly: 'IfPossible' }),
      ];
      const script =
        'for d in plain all possible; do touch /$d/below/f 2>/dev/null && echo $d written || echo $d refused; done';
      const { uid } = await agent.runtime.runPod(
        testPod('rro', [shell('main', script, { volumeMounts })], { volumes }),
      );
      await podStatusAtEnd(agent, uid);
      expect(await logLines(agent, { uid })).toEqual([
        'stdout: plain written',
        'stdout: all refused',
        'stdout: possible refused',
      ]);
    } finally {
      await run('umount', join(directory, 'below'));
      await rm(directory, { recursive: true });
    }
  });

  it('travel as far as their propagation says, and those in the pod’s own volumes go with the pod', async () => {
    const volumes = [{ name: 'd', emptyDir: {} }];
    const mount = (mountPropagation: string) => [{ name: 'd', mountPath: '/d', mountPropagation }];
    const privileged = { securityContext: { privileged: true } };
    const pod = testPod(
      'travel',
      [
        shell(
          'main',
          'until [ -e /d/go ]; do sleep 0.1; done; mkdir /d/m && mount -t tmpfs m /d/m && touch /d/m/f && touch /d/done; sleep 100000',
          {
            volumeMounts: mount('Bidirectional'),
            ...privileged,
          },
        ),
        shell('sees', 'sleep 100000', { volumeMounts: mount('HostToContainer') }),
        shell('blind', 'sleep 100000', { volumeMounts: mount('None') }),
      ],
      { volumes },
    );
    const { uid } = await agent.runtime.runPod(pod);
    const path = join(agent.layout.volumesDir, uid, 'd');
    // All of them run: a mount that is there before is shown to each.
    await writeFile(join(path, 'go'), '');
    await expect.poll(() => readdir(path), { timeout: 10_000 * slowness }).toContain('done');
    expect(await mounts()).toContain(join(path, 'm'));
    expect(await exec(uid, 'ls /d/m', 'sees')).toBe('f\n');
    expect(await exec(uid, 'ls /d/m; true', 'blind')).toBe('');
    await agent.runtime.removePod({ uid });
    expect((await mounts()).filter((each) => each.startsWith(path))).toEqual([]);
  });
});

describe('volumes', () => {
  it('in memory end at their size limit', async () => {
    const volumes = [{ name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }];
    const script = 'dd if=/dev/zero of=/m/f bs=64k count=32 2>/dev/null || echo full';
    const volumeMounts = [{ name: 'm', mountPath: '/m' }];
    const { uid } = await agent.runtime.runPod(
      testPod('full', [shell('main', script, { volumeMounts })], { volumes }),
    );
    await podStatusAtEnd(agent, uid);
    expect(await logLines(agent, { uid })).toEqual(['stdout: full']);
  });

  it('tell what they hold', async () => {
    const volumes = [
      { name: 'd', emptyDir: {} },
      { name: 'm', emptyDir: { medium: 'Memory' } },
      { name: 'c', configMap: { name: 'o' } },
      { name: 'h', hostPath: { path: '/etc' } },
    ];
    const script = 'dd if=/dev/zero of=/d/f bs=1k count=100; dd if=/dev/zero of=/m/f bs=1k count=200; sync';
    const volumeMounts = ['d', 'm'].map((name) => ({ name, mountPath: `/${name}` }));
    const pod = testPod('usage', [shell('main', script, { volumeMounts })], { volumes });
    const { uid } = await agent.runtime.runPod(pod, { objects: [object('ConfigMap', { key: 'x' })] });
    await podStatusAtEnd(agent, uid);
    const provider = (await createContainer(agentConfig(agent.folder))).get(VolumeProvider);
    const usage = new Map(
      (await provider.usage(uid)).map((each): [string, VolumeUsage] => [each.name, each]),
    );
    expect([...usage.keys()].sort()).toEqual(['c', 'd', 'm']);
    expect(usage.get('d')?.usedBytes).toBeGreaterThanOrEqual(100 * 1024);
    expect(usage.get('m')?.usedBytes).toBeGreaterThanOrEqual(200 * 1024);
    expect(usage.get('d')?.inodesUsed).toBe(2);
  });
});
