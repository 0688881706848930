import { readFile } from 'node:fs/promises';

/** What the README of an example says that it prints: the indented lines after the word `prints`. */
export async function promisedOutput(example: string): Promise<string> {
  const readme = await readFile(`examples/${example}/README.md`, 'utf8');
  const block = /\bprints\n\n((?: {4}.*\n)+)/.exec(readme)?.[1];
  if (block === undefined) throw new Error(`The README of ${example} does not say what it prints.`);
  return block.replace(/^ {4}/gm, '');
}
