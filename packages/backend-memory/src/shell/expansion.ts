import { evaluateArithmetic } from './arithmetic.js';
import type { List, Word, WordPart } from './syntax.js';

/** What an expansion asks of its shell. */
export interface ExpansionSource {
  /** A variable or a special parameter such as `?`; undefined when it is not set. */
  lookUp(name: string): string | undefined;
  readonly positional: readonly string[];
  /** The output of a command without its last line feeds. */
  outputOf(list: List): Promise<string>;
}

/** The text of a word that stands for exactly one, such as the value of an assignment. */
export async function expandToText(word: Word, source: ExpansionSource): Promise<string> {
  let text = '';
  for (const part of word) text += await textOf(part, source);
  return text;
}

/** The words that one word becomes: what is not in quotes is split at blanks, and none is left of an empty one. */
export async function expandToWords(word: Word, source: ExpansionSource): Promise<readonly string[]> {
  const words: string[] = [];
  let current: string | undefined;
  for (const part of word) {
    if (part.kind === 'variable' && part.name === '@' && part.quoted) {
      source.positional.forEach((value, index) => {
        if (index > 0) {
          words.push(current ?? '');
          current = undefined;
        }
        current = (current ?? '') + value;
      });
      continue;
    }
    const value = await textOf(part, source);
    if (part.quoted || part.kind === 'text') {
      current = (current ?? '') + value;
      continue;
    }
    const pieces = value.split(/[ \t\n]+/);
    pieces.forEach((piece, index) => {
      if (index > 0 && current !== undefined) {
        words.push(current);
        current = undefined;
      }
      if (piece !== '') current = (current ?? '') + piece;
    });
  }
  if (current !== undefined) words.push(current);
  return words;
}

async function textOf(part: WordPart, source: ExpansionSource): Promise<string> {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'variable': {
      const value =
        part.name === '@' || part.name === '*' ? source.positional.join(' ') : source.lookUp(part.name);
      if (part.fallback && (value === undefined || value === '')) return expandToText(part.fallback, source);
      return value ?? '';
    }
    case 'command':
      return source.outputOf(part.list);
    case 'arithmetic':
      return String(
        evaluateArithmetic(await expandToText(part.expression, source), (name) => source.lookUp(name)),
      );
  }
}
