import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

interface Example {
  /** Where it stands, for messages: file and line of its first line. */
  readonly place: string;
  readonly text: string;
}

/** The TypeScript examples of a README. Each has to be whole: with its imports. */
function examplesOf(readme: string): readonly Example[] {
  const text = readFileSync(readme, 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => ({
    place: `${readme}:${text.slice(0, match.index).split('\n').length + 1}`,
    text: match[1] ?? '',
  }));
}

function foldersOf(parent: string): readonly string[] {
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${parent}/${name}`);
}

/** Type-checks texts as modules of the repository, against the sources. @returns what is wrong with each */
function problemsOf(examples: readonly Example[]): ReadonlyMap<string, readonly string[]> {
  const config = ts.readConfigFile('tsconfig.tests.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, '.');
  // An example may name what it does not use any further.
  const relaxed = { ...options, noUnusedLocals: false, noUnusedParameters: false };
  const files = new Map(
    examples.map((example, index) => [resolve('examples', `readme-${index}.ts`), example] as const),
  );
  const host = ts.createCompilerHost(relaxed);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.text ?? readFile(path);
  const { getSourceFile } = host;
  host.getSourceFile = (path, language, ...rest) => {
    const example = files.get(path);
    return example
      ? ts.createSourceFile(path, example.text, language)
      : getSourceFile(path, language, ...rest);
  };
  const program = ts.createProgram([...files.keys()], relaxed, host);
  return new Map(
    [...files].map(([path, { place }]) => {
      const source = program.getSourceFile(path);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return [place, found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))];
    }),
  );
}

describe('the READMEs', () => {
  const packages = foldersOf('packages').map((folder) => `${folder}/README.md`);
  const readmes = ['README.md', ...packages, ...foldersOf('examples').map((folder) => `${folder}/README.md`)];

  it('are there, and begin with what the package is called', () => {
    for (const readme of packages) {
      const { name } = JSON.parse(readFileSync(readme.replace('README.md', 'package.json'), 'utf8'));
      expect(readFileSync(readme, 'utf8'), readme).toMatch(new RegExp(`^# ${name}\n`));
    }
  });

  it('have examples that compile', { timeout: 60_000 }, () => {
    const examples = readmes.flatMap(examplesOf);
    expect(examples.length).toBeGreaterThan(packages.length / 2);
    const wrong = [...problemsOf(examples)].filter(([, problems]) => problems.length > 0);
    expect(Object.fromEntries(wrong)).toEqual({});
  });
});
