import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  formatExecCommand,
  formatUnitFile,
  joinWords,
  SystemdManager,
  systemdModule,
} from '@podwright/systemd';
import fc from 'fast-check';
import { Container } from 'inversify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const UNITS = '/etc/systemd/system';
const HOSTILE = [
  ...[
    '',
    ' ',
    '  a  b ',
    '\t',
    'one\ntwo',
    '\r',
    '\\',
    '\\\\',
    'a\\',
    '\\x41',
    '\\n',
    '"',
    "'",
    '"a b"',
    "it's",
  ],
  ...[
    '$HOME',
    `\${HOME}`,
    '$$',
    '$',
    '%n',
    '%%',
    '100%',
    '%',
    ';',
    '\\;',
    '#',
    '# no comment',
    '-x',
    '@x',
    ':x',
  ],
  ...[
    '+',
    '!',
    '!!x',
    '[Service]',
    '\nExecStart=/bin/false',
    '\\\nExecStart=/bin/false',
    'grüße',
    '💣',
    '\u2028',
  ],
  ...[
    '\u00a0',
    '\x01\x1b[0m\x7f',
    '*',
    '~',
    '`id`',
    '$(id)',
    '&&',
    '|',
    '{a,b}',
    '=',
    'A=B',
    'x'.repeat(5000),
  ],
];

let manager: SystemdManager;
let folder: string;
let unit: string;

beforeAll(async () => {
  const container = new Container();
  await container.load(systemdModule());
  manager = container.get(SystemdManager);
  await manager.start();
  folder = await mkdtemp(join(tmpdir(), 'podwright-unit-files-'));
});

afterEach(async () => {
  await manager.disableUnitFiles([unit]);
  await rm(join(UNITS, unit), { force: true });
});

afterAll(async () => {
  await manager[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** A unit whose process writes its arguments, and a variable, with a NUL byte after each. */
async function writeUnit(args: readonly string[], variable: string, literal = true): Promise<string> {
  const out = join(folder, 'out');
  const script = 'printf "%s\\0" "$VARIABLE" "$@" >"$0"';
  const argv = ['/bin/sh', '-c', script, out, ...args];
  const command = { path: '/bin/sh', argv, ...(literal ? { flags: ['no-env-expand'] as const } : {}) };
  const file = formatUnitFile([
    { name: 'Unit', entries: [{ key: 'Description', value: 'a test' }] },
    {
      name: 'Service',
      entries: [
        { key: 'Type', value: 'oneshot' },
        { key: 'Environment', value: joinWords([`VARIABLE=${variable}`]) },
        { key: 'ExecStart', value: formatExecCommand(command) },
      ],
    },
    { name: 'Install', entries: [{ key: 'WantedBy', value: 'multi-user.target' }] },
  ]);
  unit = `podwright-test-${randomUUID()}.service`;
  await writeFile(join(UNITS, unit), file);
  return out;
}

async function received(args: readonly string[], variable: string, literal?: boolean): Promise<string[]> {
  const out = await writeUnit(args, variable, literal);
  await manager.startUnit(unit);
  const words = (await readFile(out, 'utf8')).split('\0').slice(0, -1);
  await rm(join(UNITS, unit));
  return words;
}

describe('a unit file', () => {
  it('gives its process hostile arguments byte for byte, and systemd-analyze has nothing to say', async () => {
    const out = await writeUnit(HOSTILE, HOSTILE.join(''));
    const { stdout, stderr } = await run('systemd-analyze', ['verify', join(UNITS, unit)]);
    expect(`${stdout}${stderr}`).toBe('');
    await manager.startUnit(unit);
    expect((await readFile(out, 'utf8')).split('\0').slice(0, -1)).toEqual([HOSTILE.join(''), ...HOSTILE]);
  });

  it('gives them so when variables are expanded', async () => {
    expect(await received(HOSTILE, 'x', false)).toEqual(['x', ...HOSTILE]);
  });

  it('gives any arguments byte for byte', async () => {
    const part = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 10 }));
    const word = fc
      .array(part, { maxLength: 4 })
      .map((parts) => parts.join('').replace(/\0|\p{Noncharacter_Code_Point}/gu, ''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 12 }),
        word,
        fc.boolean(),
        async (args, variable, literal) => {
          expect(await received(args, variable, literal)).toEqual([variable, ...args]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is enabled and disabled, and known without a reload', async () => {
    await writeUnit(['x'], 'y');
    const link = join(UNITS, 'multi-user.target.wants', unit);
    expect(await manager.enableUnitFiles([unit])).toEqual([
      { type: 'symlink', path: link, target: join(UNITS, unit) },
    ]);
    expect(existsSync(link)).toBe(true);
    expect(await manager.enableUnitFiles([unit])).toEqual([]);
    expect(await manager.disableUnitFiles([unit])).toMatchObject([{ type: 'unlink', path: link }]);
    expect(existsSync(link)).toBe(false);
    expect(await manager.disableUnitFiles([unit])).toEqual([]);
    expect(await manager.disableUnitFiles(['podwright-test-gone.service'])).toEqual([]);
    await manager.reload();
  });
});
