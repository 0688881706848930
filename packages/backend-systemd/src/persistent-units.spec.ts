import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONTAINER_KIND_ANNOTATION, type RestartOwner, silentLogger } from '@podwright/core';
import { parseExecCommand, parseUnitFile, unitFileValues, unitProperty } from '@podwright/systemd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBackendOptions } from './backend-options.js';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { restoreUnitName } from './persistent-unit-files.js';
import { PersistentUnits } from './persistent-units.js';
import {
  CONTAINER_ID,
  containerConfig,
  containerRecord,
  errorOf,
  fakeHost,
  sandboxRecord,
} from './testing.spec-helper.js';

const UID = '1-2 %n';
const RESTORE = restoreUnitName(UID);
const CONTAINER = containerUnitName(CONTAINER_ID);
const record = containerRecord({ podUid: UID });
const sandbox = sandboxRecord({
  persist: true,
  metadata: { name: 'web', namespace: 'default', uid: UID, attempt: 0 },
});
const always: RestartOwner = { by: 'backend', policy: 'Always' };

let folder: string;
let systemd: FakeSystemd;
let layout: HostLayout;

function unitsWith(restoreCommand: readonly string[] | undefined, options: Record<string, unknown> = {}) {
  const context = {
    ...{ stateDir: layout.stateDir, runDir: layout.runDir, configDir: '/etc/podwright', options: { a: '%' } },
    ...(restoreCommand === undefined ? {} : { restoreCommand }),
  };
  const parsed = parseBackendOptions({ unitDir: join(folder, 'units'), ...options });
  return new PersistentUnits(fakeHost(), layout, systemd, parsed, context, silentLogger);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-persistent-'));
  layout = new HostLayout(folder, join(folder, 'run'));
  systemd = new FakeSystemd();
});
afterEach(() => rm(folder, { recursive: true }));

const read = async (unit: string) => parseUnitFile(await readFile(join(folder, 'units', unit), 'utf8'));

describe('units of a pod that comes back', () => {
  it('are written, started and then enabled, the pod last', async () => {
    const units = unitsWith(['/usr/bin/node', '/a b/$bin.js', 'restore']);
    await units.start(record, [unitProperty('Type', 'forking')], {});
    expect(systemd.calls).toEqual([`join ${CONTAINER}`]);
    await units.enable(sandbox, CONTAINER_ID);
    expect(systemd.calls).toEqual([`join ${CONTAINER}`, `enable ${CONTAINER}`, `enable ${RESTORE}`]);

    const container = await read(CONTAINER);
    expect(unitFileValues(container, 'Service', 'Type')).toEqual(['forking']);
    expect(unitFileValues(container, 'Unit', 'After')).toEqual([RESTORE]);
    expect(unitFileValues(container, 'Install', 'WantedBy')).toEqual([RESTORE]);
    const condition = unitFileValues(container, 'Unit', 'ConditionPathIsDirectory');
    expect(condition).toEqual([layout.container(CONTAINER_ID).exitDir]);

    const [command = ''] = unitFileValues(await read(RESTORE), 'Service', 'ExecStart');
    const config = join(folder, 'restore.json');
    const words = ['/usr/bin/node', '/a b/$bin.js', 'restore', '--config', config, UID];
    expect(parseExecCommand(command)).toEqual({ path: words[0], argv: words, flags: ['no-env-expand'] });
    // It is tried until it is done, however long an init container takes.
    const restore = await read(RESTORE);
    const values = (section: string, key: string) => unitFileValues(restore, section, key);
    expect(values('Service', 'Restart')).toEqual(['on-failure']);
    expect(values('Service', 'TimeoutStartSec')).toEqual(['infinity']);
    expect(values('Unit', 'StartLimitIntervalSec')).toEqual(['0']);
    expect(JSON.parse(await readFile(config, 'utf8'))).toEqual({
      ...{ backend: 'systemd', stateDir: folder, runDir: layout.runDir, configDir: '/etc/podwright' },
      backendOptions: { a: '%' },
    });
  });

  it('are not enabled when the start fails', async () => {
    const units = unitsWith(['/bin/restore']);
    systemd.onStart = () => Promise.reject(new Error('no'));
    await expect(units.start(record, [], {})).rejects.toThrow('no');
    expect(systemd.calls.some((call) => call.startsWith('enable'))).toBe(false);
    await units.removeContainer(CONTAINER_ID);
    expect(await readdir(join(folder, 'units'))).toEqual([]);
  });

  it('are disabled and removed; again is no error', async () => {
    const units = unitsWith(['/bin/restore']);
    await units.start(record, [], {});
    await units.enable(sandbox, CONTAINER_ID);
    systemd.set(RESTORE, 'active');
    for (let time = 0; time < 2; time++) {
      await units.removeContainer(CONTAINER_ID);
      await units.removePod(UID);
    }
    expect(await readdir(join(folder, 'units'))).toEqual([]);
    expect(systemd.calls.filter((call) => /^(disable|stop)/.test(call))).toEqual([
      ...[`disable ${CONTAINER}`, `stop ${RESTORE}`, `disable ${RESTORE}`],
    ]);
    expect(existsSync(folder)).toBe(true);
  });

  it.each<[string, boolean, RestartOwner, string | undefined]>([
    ['always', true, always, undefined],
    ['an app', true, { by: 'backend', policy: 'OnFailure' }, 'app'],
    ['whatever was never to run again', false, { by: 'backend', policy: 'Never' }, 'app'],
    ['what an agent restarts', false, { by: 'caller' }, 'app'],
    ['a sidecar, which is started in its turn', false, always, 'init'],
    ['what was added for debugging', false, always, 'ephemeral'],
  ])('cover %s: %j', (_, covered, restart, kind) => {
    const annotations = kind === undefined ? {} : { [CONTAINER_KIND_ANNOTATION]: kind };
    const container = containerRecord({ config: containerConfig({ restart, annotations }) });
    const units = unitsWith(['/bin/restore']);
    expect(units.covers(sandbox, container)).toBe(covered);
    expect(units.covers(sandboxRecord({ persist: false }), container)).toBe(false);
    expect(units.covers(undefined, container)).toBe(false);
  });

  it('need a command that the host can run', async () => {
    expect(unitsWith(['/bin/restore']).isPossible).toBe(true);
    const error = await errorOf(() => unitsWith(undefined).requirePossible());
    expect(error).toMatchObject({ kind: 'unsupported', message: expect.stringContaining('restoreCommand') });
    const contained = unitsWith(['/bin/restore'], { inContainer: {} });
    expect(await errorOf(() => contained.requirePossible())).toMatchObject({ kind: 'unsupported' });
  });
});

describe('an agent that starts while pods come back', () => {
  const set = (name: string, state: 'activating' | 'active', directory: string) =>
    systemd.set(name, state, { properties: [unitProperty('WorkingDirectory', directory)] });

  it('waits for its own, and for those only', async () => {
    set(RESTORE, 'activating', folder);
    set(restoreUnitName('other'), 'activating', '/another/agent');
    set(restoreUnitName('done'), 'active', folder);
    await unitsWith(['/bin/restore']).awaitRestores();
    expect(systemd.calls).toEqual([`join ${RESTORE}`]);
  });

  describe('and do not come to an end', () => {
    let units: PersistentUnits;
    beforeEach(async () => {
      units = unitsWith(['/bin/restore']);
      await units.start(record, [], {});
      await units.enable(sandbox, CONTAINER_ID);
      set(RESTORE, 'activating', folder);
      systemd.calls.length = 0;
      systemd.onStart = () => Promise.reject(new Error('too long'));
      await units.awaitRestores();
    });

    it('takes them over', () => {
      expect(systemd.calls).toEqual([`join ${RESTORE}`, `stop ${RESTORE}`, `reset ${RESTORE}`]);
      expect(units.isRestoring(UID)).toBe(true);
    });

    it.each<[string, () => Promise<void>, readonly string[]]>([
      ['what it has not brought back', async () => undefined, [`join ${RESTORE}`]],
      ['nothing of what it has', () => units.endRestore(UID), []],
      ['nothing of what was removed', () => units.removePod(UID), []],
    ])('leaves to systemd at its end %s', async (_, meanwhile, started) => {
      await meanwhile();
      systemd.calls.length = 0;
      // It takes more than this process has: what comes of it is systemd's.
      await units.handBack();
      await units.handBack();
      expect(systemd.calls).toEqual(started);
    });
  });
});
