import { describe, expect, it } from 'vitest';
import { evaluateArithmetic } from './arithmetic.js';
import { parseScript } from './parser.js';
import { ShellSyntaxError } from './syntax.js';

describe('parseScript', () => {
  it.each([
    "echo 'open",
    'echo "open',
    'echo $(open',
    'if true; then echo',
    'while true; echo; done',
    'for x in a b; echo; done',
    '( echo',
    '{ echo; ',
    'echo )',
    'a && ',
    '| cat',
    'cat <<EOF',
    'echo `date`',
    'case x in esac',
    'echo >',
    'echo 5>file',
    'done',
  ])('refuses %j', (script) => {
    expect(() => parseScript(script)).toThrow(ShellSyntaxError);
  });

  it.each([
    '',
    '\n\n',
    '# only a comment',
    'true;',
    'true &',
    'a=1',
    '> file',
    'echo \\\n word',
    'true;;true',
  ])('takes %j', (script) => {
    expect(() => parseScript(script)).not.toThrow();
  });

  it('keeps what is quoted together and apart from what is not', () => {
    const [item] = parseScript(`echo a"b $c"'d'`);
    const [command] = item?.first.commands ?? [];
    expect(command?.kind === 'simple' && command.words[1]).toEqual([
      { kind: 'text', text: 'a', quoted: false },
      { kind: 'text', text: 'b ', quoted: true },
      { kind: 'variable', name: 'c', quoted: true },
      { kind: 'text', text: 'd', quoted: true },
    ]);
  });
});

describe('evaluateArithmetic', () => {
  const variables: Readonly<Record<string, string>> = { x: '7', text: 'abc' };

  it.each([
    ['1+2*3', 7],
    ['(1+2)*3', 9],
    ['x % 4 - 1', 2],
    ['-x', -7],
    ['7/2', 3],
    ['x == 7 && x != 8', 1],
    ['x < 7 || x >= 8', 0],
    ['!x', 0],
    ['missing + text', 0],
    ['', 0],
  ])('%s is %d', (text, value) => {
    expect(evaluateArithmetic(text, (name) => variables[name])).toBe(value);
  });

  it.each(['1 +', '(1', '1 2', '1 / 0', '1 ? 2 : 3'])('refuses %s', (text) => {
    expect(() => evaluateArithmetic(text, () => undefined)).toThrow(ShellSyntaxError);
  });
});
