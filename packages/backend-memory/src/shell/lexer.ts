import { type List, ShellSyntaxError, type Word, type WordPart } from './syntax.js';

export type Token =
  | { readonly kind: 'word'; readonly word: Word }
  | { readonly kind: 'operator'; readonly text: string }
  | {
      readonly kind: 'redirection';
      readonly fd: 0 | 1 | 2 | undefined;
      readonly text: '<' | '>' | '>>' | '>&' | '<&';
    };

const OPERATORS = ['&&', '||', ';', '&', '|', '(', ')', '\n'];
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/** Cuts a script into words and operators; what stands in `$(…)` is read by `parseList`. */
export class Lexer {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly parseList: (script: string) => List,
  ) {}

  tokens(): readonly Token[] {
    const tokens: Token[] = [];
    for (;;) {
      this.#skipBlanks();
      if (this.#at >= this.text.length) return tokens;
      tokens.push(this.#redirection() ?? this.#operator() ?? { kind: 'word', word: this.#word() });
    }
  }

  #skipBlanks(): void {
    for (;;) {
      const char = this.text[this.#at];
      if (char === ' ' || char === '\t') this.#at++;
      else if (char === '\\' && this.text[this.#at + 1] === '\n') this.#at += 2;
      else if (char === '#') while (this.#at < this.text.length && this.text[this.#at] !== '\n') this.#at++;
      else return;
    }
  }

  #redirection(): Token | undefined {
    const match = /^([0-9])?(>>|>&|<&|<<|>|<)/.exec(this.text.slice(this.#at, this.#at + 3));
    if (!match?.[2]) return undefined;
    const fd = match[1] === undefined ? undefined : Number(match[1]);
    const text = match[2];
    if (text === '<<' || (fd !== undefined && fd !== 0 && fd !== 1 && fd !== 2)) {
      throw new ShellSyntaxError(`${match[0]} is beyond the shell of the simulation`);
    }
    this.#at += match[0].length;
    return { kind: 'redirection', fd, text: text as '<' | '>' | '>>' | '>&' | '<&' };
  }

  #operator(): Token | undefined {
    const text = OPERATORS.find((operator) => this.text.startsWith(operator, this.#at));
    if (text === undefined) return undefined;
    this.#at += text.length;
    return { kind: 'operator', text: text === '\n' ? ';' : text };
  }

  #word(): Word {
    const parts: WordPart[] = [];
    while (this.#at < this.text.length) {
      const char = this.text[this.#at] ?? '';
      if (' \t\n;&|()<>'.includes(char)) break;
      if (char === "'") parts.push({ kind: 'text', text: this.#singleQuoted(), quoted: true });
      else if (char === '"') parts.push(...this.#doubleQuoted());
      else if (char === '$') parts.push(this.#dollar(false));
      else if (char === '`')
        throw new ShellSyntaxError('` is beyond the shell of the simulation; write $(…)');
      else if (char === '\\') {
        parts.push({ kind: 'text', text: this.text[this.#at + 1] ?? '', quoted: true });
        this.#at += 2;
      } else {
        parts.push({ kind: 'text', text: char, quoted: false });
        this.#at++;
      }
    }
    return joined(parts);
  }

  #singleQuoted(): string {
    const end = this.text.indexOf("'", this.#at + 1);
    if (end < 0) throw new ShellSyntaxError("a ' is not closed");
    const text = this.text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return text;
  }

  #doubleQuoted(): readonly WordPart[] {
    // An empty part keeps "" a word of its own.
    const parts: WordPart[] = [{ kind: 'text', text: '', quoted: true }];
    this.#at++;
    for (;;) {
      const char = this.text[this.#at];
      if (char === undefined) throw new ShellSyntaxError('a " is not closed');
      if (char === '"') {
        this.#at++;
        return parts;
      }
      if (char === '$') parts.push(this.#dollar(true));
      else if (char === '\\' && '$`"\\'.includes(this.text[this.#at + 1] ?? ' ')) {
        parts.push({ kind: 'text', text: this.text[this.#at + 1] ?? '', quoted: true });
        this.#at += 2;
      } else {
        parts.push({ kind: 'text', text: char, quoted: true });
        this.#at++;
      }
    }
  }

  #dollar(quoted: boolean): WordPart {
    const rest = this.text.slice(this.#at + 1);
    if (rest.startsWith('((')) {
      const inner = this.#until(3, '))');
      return { kind: 'arithmetic', expression: wordOf(inner, this.parseList), quoted };
    }
    if (rest.startsWith('(')) return { kind: 'command', list: this.parseList(this.#parenthesis()), quoted };
    if (rest.startsWith('{')) {
      const inner = this.#until(2, '}');
      const match = /^([A-Za-z_][A-Za-z0-9_]*|[0-9?$#!@*])(?::-(.*))?$/s.exec(inner);
      if (!match?.[1]) throw new ShellSyntaxError(`\${${inner}} is beyond the shell of the simulation`);
      const fallback = match[2] === undefined ? {} : { fallback: wordOf(match[2], this.parseList) };
      return { kind: 'variable', name: match[1], ...fallback, quoted };
    }
    const name = NAME.exec(rest)?.[0] ?? /^[0-9?$#!@*]/.exec(rest)?.[0];
    this.#at += 1 + (name?.length ?? 0);
    return name === undefined
      ? { kind: 'text', text: '$', quoted: true }
      : { kind: 'variable', name, quoted };
  }

  #until(skip: number, close: string): string {
    const end = this.text.indexOf(close, this.#at + skip);
    if (end < 0) throw new ShellSyntaxError(`${close} is missing`);
    const inner = this.text.slice(this.#at + skip, end);
    this.#at = end + close.length;
    return inner;
  }

  /** The text between `$(` and its own `)`, which may hold quotes and further parentheses. */
  #parenthesis(): string {
    const start = this.#at + 2;
    let depth = 1;
    let quote = '';
    for (let at = start; at < this.text.length; at++) {
      const char = this.text[at] ?? '';
      if (char === '\\' && quote !== "'") at++;
      else if (quote !== '') quote = char === quote ? '' : quote;
      else if (char === "'" || char === '"') quote = char;
      else if (char === '(') depth++;
      else if (char === ')' && --depth === 0) {
        this.#at = at + 1;
        return this.text.slice(start, at);
      }
    }
    throw new ShellSyntaxError(') is missing');
  }
}

/** A text read as one word, such as what stands in `$((…))`: only `$` is special in it. */
function wordOf(text: string, parseList: (script: string) => List): Word {
  const token = new Lexer(`"${text.replaceAll('"', '\\"')}"`, parseList).tokens()[0];
  return token?.kind === 'word' ? token.word : [];
}

function joined(parts: readonly WordPart[]): Word {
  const word: WordPart[] = [];
  for (const part of parts) {
    const last = word.at(-1);
    if (part.kind === 'text' && last?.kind === 'text' && last.quoted === part.quoted) {
      word[word.length - 1] = { ...last, text: last.text + part.text };
    } else word.push(part);
  }
  return word;
}
