import { PodwrightError } from '@podwright/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  escapeUnitName,
  escapeUnitPath,
  isValidUnitName,
  unescapeUnitName,
  unitObjectPath,
  unitOfObjectPath,
} from './unit-name.js';

const kindOf = (attempt: () => unknown) => {
  try {
    attempt();
    return 'no error';
  } catch (error) {
    return PodwrightError.is(error) ? error.kind : 'no PodwrightError';
  }
};
const texts = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));

describe('the parts of unit names', () => {
  it.each([
    ['', ''],
    ['plain_Text:1.2', 'plain_Text:1.2'],
    ['a-b', 'a\\x2db'],
    ['a/b', 'a-b'],
    ['.hidden', '\\x2ehidden'],
    ['a\\x2d', 'a\\x5cx2d'],
    ['user@host', 'user\\x40host'],
    ['ü', '\\xc3\\xbc'],
    ['a b\n', 'a\\x20b\\x0a'],
  ])('%j is written %j', (text, escaped) => {
    expect(escapeUnitName(text)).toBe(escaped);
    expect(unescapeUnitName(escaped)).toBe(text);
  });

  it('are read back as what they were, whatever it was, and are valid', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const escaped = escapeUnitName(text);
        expect(unescapeUnitName(escaped)).toBe(text);
        expect(isValidUnitName(`x${escaped}.service`)).toBe(escaped.length + 9 <= 255);
      }),
    );
  });

  it.each(['\\', 'a\\', '\\x2', '\\y20', '\\xff', 'a\\x2'])('%j cannot be read', (escaped) => {
    expect(kindOf(() => unescapeUnitName(escaped))).toBe('invalid-argument');
  });

  it('have no NUL byte', () => {
    expect(kindOf(() => escapeUnitName('a\0b'))).toBe('invalid-argument');
  });

  it.each([
    ['/', '-'],
    ['/var/lib/x', 'var-lib-x'],
    ['//var///lib/./x/', 'var-lib-x'],
    ['/.hidden', '\\x2ehidden'],
    ['/a/.b', 'a-.b'],
    ['/var/lib-x', 'var-lib\\x2dx'],
  ])('the path %s is written %s', (path, escaped) => {
    expect(escapeUnitPath(path)).toBe(escaped);
  });

  it.each(['', '/a/../b', '..'])('the path %j has no name', (path) => {
    expect(kindOf(() => escapeUnitPath(path))).toBe('invalid-argument');
  });
});

describe('unit names', () => {
  it.each([
    ['a.service', true],
    ['-.slice', true],
    ['a@.service', true],
    ['a@b.service', true],
    ['a@b@c.service', true],
    ['a\\x2db.mount', true],
    [`${'a'.repeat(247)}.service`, true],
    [`${'a'.repeat(248)}.service`, false],
    ['', false],
    ['.service', false],
    ['@b.service', false],
    ['a', false],
    ['a.', false],
    ['a.unheard', false],
    ['a b.service', false],
    ['a/b.service', false],
    ['ü.service', false],
    ['a.service\n', false],
  ])('%j: %s', (name, valid) => {
    expect(isValidUnitName(name)).toBe(valid);
  });

  it.each([
    ['a-b.service', '/org/freedesktop/systemd1/unit/a_2db_2eservice'],
    ['-.slice', '/org/freedesktop/systemd1/unit/_2d_2eslice'],
    ['1a1.scope', '/org/freedesktop/systemd1/unit/_31a1_2escope'],
    ['a\\x2d_b.mount', '/org/freedesktop/systemd1/unit/a_5cx2d_5fb_2emount'],
  ])('%s is the object %s', (name, path) => {
    expect(unitObjectPath(name)).toBe(path);
    expect(unitOfObjectPath(path)).toBe(name);
  });

  it('are read back from every object path', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const name = `${escapeUnitName(text)}x.service`;
        expect(unitOfObjectPath(unitObjectPath(name))).toBe(name);
      }),
    );
  });

  it('are not read from the path of another object', () => {
    expect(unitOfObjectPath('/org/freedesktop/systemd1/job/1')).toBeUndefined();
  });
});
