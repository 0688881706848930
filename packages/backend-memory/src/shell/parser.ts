import { Lexer, type Token } from './lexer.js';
import {
  type AndOr,
  type Command,
  type List,
  type Pipeline,
  type Redirection,
  ShellSyntaxError,
  type Word,
} from './syntax.js';

const BEYOND = new Set(['case', 'function', 'select', '[[', 'esac']);
const ENDINGS = new Set(['then', 'elif', 'else', 'fi', 'do', 'done', '}']);

/** @throws ShellSyntaxError when the script is wrong or beyond the subset of `syntax.ts` */
export function parseScript(script: string): List {
  const parser = new Parser(new Lexer(script, parseScript).tokens());
  const list = parser.list();
  parser.expectEnd();
  return list;
}

class Parser {
  #at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  list(): List {
    const list: AndOr[] = [];
    for (;;) {
      while (this.#takeOperator(';'));
      const next = this.#peek();
      if (!next || this.#isOperator(')') || ENDINGS.has(this.#keyword() ?? '')) return list;
      list.push(this.#andOr());
    }
  }

  expectEnd(): void {
    const next = this.#peek();
    if (next) throw new ShellSyntaxError(`unexpected ${describe(next)}`);
  }

  #andOr(): AndOr {
    const first = this.#pipeline();
    const rest: { operator: '&&' | '||'; pipeline: Pipeline }[] = [];
    for (;;) {
      const operator = this.#takeOperator('&&') ? '&&' : this.#takeOperator('||') ? '||' : undefined;
      if (!operator) break;
      while (this.#takeOperator(';'));
      rest.push({ operator, pipeline: this.#pipeline() });
    }
    const background = this.#takeOperator('&');
    if (!background && !this.#takeOperator(';')) {
      const next = this.#peek();
      if (next && !this.#isOperator(')')) throw new ShellSyntaxError(`unexpected ${describe(next)}`);
    }
    return { first, rest, background };
  }

  #pipeline(): Pipeline {
    const negated = this.#takeKeyword('!');
    const commands = [this.#command()];
    while (this.#takeOperator('|')) commands.push(this.#command());
    return { negated, commands };
  }

  #command(): Command {
    const keyword = this.#keyword();
    if (keyword !== undefined && BEYOND.has(keyword)) {
      throw new ShellSyntaxError(`${keyword} is beyond the shell of the simulation`);
    }
    if (this.#takeOperator('(')) {
      const body = this.list();
      if (!this.#takeOperator(')')) throw new ShellSyntaxError(') is missing');
      return { kind: 'group', subshell: true, body, redirections: this.#redirections() };
    }
    if (this.#takeKeyword('{')) {
      const body = this.list();
      this.#expectKeyword('}');
      return { kind: 'group', subshell: false, body, redirections: this.#redirections() };
    }
    if (this.#takeKeyword('if')) return this.#if();
    if (keyword === 'while' || keyword === 'until') {
      this.#at++;
      const condition = this.list();
      return { kind: 'loop', until: keyword === 'until', condition, ...this.#body() };
    }
    if (this.#takeKeyword('for')) return this.#for();
    return this.#simple();
  }

  #if(): Command {
    const branches: { condition: List; body: List }[] = [];
    do {
      const condition = this.list();
      this.#expectKeyword('then');
      branches.push({ condition, body: this.list() });
    } while (this.#takeKeyword('elif'));
    const otherwise = this.#takeKeyword('else') ? { otherwise: this.list() } : {};
    this.#expectKeyword('fi');
    return { kind: 'if', branches, ...otherwise, redirections: this.#redirections() };
  }

  #for(): Command {
    const name = this.#keyword();
    if (name === undefined) throw new ShellSyntaxError('a name is missing after for');
    this.#at++;
    this.#expectKeyword('in');
    const words: Word[] = [];
    for (let next = this.#peek(); next?.kind === 'word'; next = this.#peek()) {
      words.push(next.word);
      this.#at++;
    }
    while (this.#takeOperator(';'));
    return { kind: 'for', name, words, ...this.#body() };
  }

  #body(): { body: List; redirections: readonly Redirection[] } {
    this.#expectKeyword('do');
    const body = this.list();
    this.#expectKeyword('done');
    return { body, redirections: this.#redirections() };
  }

  #simple(): Command {
    const assignments: { name: string; value: Word }[] = [];
    const words: Word[] = [];
    const redirections: Redirection[] = [];
    for (;;) {
      const next = this.#peek();
      if (next?.kind === 'redirection') {
        redirections.push(this.#redirection());
        continue;
      }
      if (next?.kind !== 'word') break;
      this.#at++;
      const assignment = words.length === 0 ? assignmentOf(next.word) : undefined;
      if (assignment) assignments.push(assignment);
      else words.push(next.word);
    }
    if (assignments.length + words.length + redirections.length === 0) {
      const next = this.#peek();
      throw new ShellSyntaxError(next ? `unexpected ${describe(next)}` : 'unexpected end of file');
    }
    return { kind: 'simple', assignments, words, redirections };
  }

  #redirections(): readonly Redirection[] {
    const redirections: Redirection[] = [];
    while (this.#peek()?.kind === 'redirection') redirections.push(this.#redirection());
    return redirections;
  }

  #redirection(): Redirection {
    const token = this.tokens[this.#at];
    const target = this.tokens[this.#at + 1];
    if (token?.kind !== 'redirection' || target?.kind !== 'word') {
      throw new ShellSyntaxError('a redirection has no target');
    }
    this.#at += 2;
    const fd = token.fd ?? (token.text.startsWith('<') ? 0 : 1);
    const kind =
      token.text === '<'
        ? 'read'
        : token.text === '>'
          ? 'write'
          : token.text === '>>'
            ? 'append'
            : 'duplicate';
    return { fd, kind, target: target.word };
  }

  #peek(): Token | undefined {
    return this.tokens[this.#at];
  }

  #isOperator(text: string): boolean {
    const next = this.#peek();
    return next?.kind === 'operator' && next.text === text;
  }

  #takeOperator(text: string): boolean {
    const taken = this.#isOperator(text);
    if (taken) this.#at++;
    return taken;
  }

  /** The next word, if it is a single unquoted text. */
  #keyword(): string | undefined {
    const next = this.#peek();
    const part = next?.kind === 'word' && next.word.length === 1 ? next.word[0] : undefined;
    return part?.kind === 'text' && !part.quoted ? part.text : undefined;
  }

  #takeKeyword(text: string): boolean {
    const taken = this.#keyword() === text;
    if (taken) this.#at++;
    return taken;
  }

  #expectKeyword(text: string): void {
    if (!this.#takeKeyword(text)) throw new ShellSyntaxError(`${text} is missing`);
  }
}

function assignmentOf(word: Word): { name: string; value: Word } | undefined {
  const first = word[0];
  if (first?.kind !== 'text' || first.quoted) return undefined;
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(first.text);
  if (!match?.[1]) return undefined;
  return { name: match[1], value: [{ ...first, text: match[2] ?? '' }, ...word.slice(1)] };
}

function describe(token: Token): string {
  if (token.kind !== 'word') return `"${token.text}"`;
  return `"${token.word.map((part) => (part.kind === 'text' ? part.text : '$…')).join('')}"`;
}
