import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unitProperty } from '@podwright/systemd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containerUnitName, HostLayout } from './host-layout.js';
import { containerUnitFile, restoreUnitFile, restoreUnitName } from './persistent-unit-files.js';
import { fakeHost } from './testing.spec-helper.js';
import { UnitFileOrphans } from './unit-file-orphans.js';
import { unitFileOwner } from './unit-file-owner.js';

const ID = 'a'.repeat(64);
const UID = '1-2 %n';

const containerFile = (layout: HostLayout) =>
  containerUnitFile([unitProperty('WorkingDirectory', layout.container(ID).state)], {
    podUid: UID,
    needed: '/x',
  });
const podFile = (stateDir: string) =>
  restoreUnitFile({ uid: UID, name: 'default/web', stateDir, command: ['/bin/restore'] });

describe('a unit file', () => {
  const own = new HostLayout('/own %i', '/run');
  const other = new HostLayout('/own %i2', '/run');
  it.each<[string, string, string, ReturnType<typeof unitFileOwner>]>([
    ['of a container', containerUnitName(ID), containerFile(own), { container: ID }],
    ['of a pod', restoreUnitName(UID), podFile('/own %i'), { podUid: UID }],
    ['of another agent’s container', containerUnitName(ID), containerFile(other), undefined],
    ['of another agent’s pod', restoreUnitName(UID), podFile('/own %i2'), undefined],
    [
      'of another container than it is named after',
      containerUnitName('b'.repeat(64)),
      containerFile(own),
      undefined,
    ],
    ['of the agent itself', 'podwright-agent.service', podFile('/own %i'), undefined],
    ['that is cut off', containerUnitName(ID), '[Unit]\nDescr', undefined],
    ['that is empty', containerUnitName(ID), '', undefined],
    ['with a name that is not ours', 'podwright-pod-\\x-sandbox.service', podFile('/own %i'), undefined],
  ])('%s tells whose it is', (_what, unit, text, owner) => {
    expect(unitFileOwner(unit, text, own)).toEqual(owner);
  });
});

describe('unit files without a pod', () => {
  let folder: string;
  let unitDir: string;
  let layout: HostLayout;
  let calls: string[];
  let inUse: Set<string>;
  let sandboxes: { persist: boolean; metadata: { uid: string } }[];
  let unreadable: Map<string, Error>;
  let inPod: object[];

  function newOrphans(): UnitFileOrphans {
    const note = (call: string) => async (subject: unknown) => void calls.push(`${call} ${subject}`);
    const persistent = { removeContainer: note('container'), removePod: note('pod') };
    const manager = { list: () => sandboxes, unreadable };
    const store = { idsInUse: async () => inUse, list: () => inPod };
    return Reflect.construct(UnitFileOrphans, [
      ...[fakeHost(), layout, { unitDir }, persistent, { forget: note('forget') }, manager, store],
    ]);
  }

  const found = async () => (await newOrphans().find()).map(({ what }) => what);
  const [container, pod] = [containerUnitName(ID), restoreUnitName(UID)];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'podwright-unit-files-'));
    unitDir = join(folder, 'units');
    layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
    [calls, inUse, sandboxes, unreadable, inPod] = [[], new Set(), [], new Map(), []];
    await mkdir(join(unitDir, `${pod}.wants`), { recursive: true });
    await writeFile(join(unitDir, container), containerFile(layout));
    await writeFile(join(unitDir, pod), podFile(layout.stateDir));
    await writeFile(join(unitDir, 'podwright-agent.service'), podFile(layout.stateDir));
    await symlink('/nowhere', join(unitDir, `podwright-${'c'.repeat(64)}.service`));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are found, and go with what systemd keeps beside them', async () => {
    const orphans = await newOrphans().find();
    expect(orphans.map(({ what }) => what).sort()).toEqual(
      [container, pod].map((unit) => `unit file ${join(unitDir, unit)}`).sort(),
    );
    for (const { remove } of orphans) await remove();
    expect(calls.sort()).toEqual([`container ${ID}`, `forget ${container}`, `forget ${pod}`, `pod ${UID}`]);
    expect(await readdir(unitDir)).toContain('podwright-agent.service');
  });

  const sandbox = (persist: boolean) => ({ persist, metadata: { uid: UID } });
  it.each<[string, () => void, readonly string[]]>([
    ['of a container that is there', () => inUse.add(ID), [pod]],
    ['of a pod whose sandbox is there', () => sandboxes.push(sandbox(true)), [container]],
    ['of a pod that comes back no more', () => sandboxes.push(sandbox(false)), [container, pod]],
    ['while a record cannot be read', () => unreadable.set('x', new Error()), [container]],
    ['of a pod with containers', () => inPod.push({}), [container]],
  ])('%s', async (_what, change, left) => {
    const orphans = await newOrphans().find();
    change();
    expect((await found()).sort()).toEqual(left.map((unit) => `unit file ${join(unitDir, unit)}`).sort());
    for (const { remove } of orphans) await remove();
    expect(calls.filter((call) => call.startsWith('forget'))).toHaveLength(left.length);
  });

  it('are none where no pod ever was to come back', async () => {
    await rm(unitDir, { recursive: true });
    expect(await found()).toEqual([]);
  });
});
