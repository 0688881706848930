import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';

/** A method or property of an interface, as its source has it. */
export interface Member {
  readonly name: string;
  /** The first sentence of its comment; empty where it has none. */
  readonly says: string;
}

const SOURCES = 'packages/core/src';

/** The members of an interface of @podwright/core, in the order of its source; those of symbols left out. */
export function membersOf(name: string): readonly Member[] {
  const declaration = interfaces().get(name);
  if (!declaration) throw new Error(`@podwright/core has no interface ${name}.`);
  return declaration.members.flatMap((member) =>
    member.name && ts.isIdentifier(member.name)
      ? [{ name: member.name.text, says: firstSentence(commentOf(member)) }]
      : [],
  );
}

let known: ReadonlyMap<string, ts.InterfaceDeclaration> | undefined;

function interfaces(): ReadonlyMap<string, ts.InterfaceDeclaration> {
  known ??= new Map(
    readdirSync(SOURCES)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
      .flatMap((file) => {
        const text = readFileSync(`${SOURCES}/${file}`, 'utf8');
        const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
        return source.statements.filter(ts.isInterfaceDeclaration);
      })
      .map((declaration) => [declaration.name.text, declaration]),
  );
  return known;
}

function commentOf(member: ts.TypeElement): string {
  const [comment] = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc);
  return ts.getTextOfJSDocComment(comment?.comment) ?? '';
}

function firstSentence(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return /^.*?(?<!e\.g)[.!](?= [A-Z`]|$)/.exec(line)?.[0] ?? line;
}
