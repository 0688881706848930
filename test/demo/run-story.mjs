// Runs the demo's story on a host with systemd and says what it left behind there.
// node test/demo/run-story.mjs REPORT shared|own STORY [ARGUMENT…]
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { lastingLeftovers, takeSnapshot } from '../host/snapshot.mjs';

const [report, whose, story, ...args] = process.argv.slice(2);
/** On a machine on which others work too, only what carries our name. */
const only = whose === 'shared' ? /podwright/ : undefined;

const before = takeSnapshot(only);
const exitCode = await new Promise((resolve, reject) => {
  const child = spawn(process.execPath, [story, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  child.once('error', reject);
  child.once('close', (code) => resolve(code ?? 1));
});
const left = await lastingLeftovers(before, { only, timeoutMs: 5000 });
writeFileSync(report, JSON.stringify({ exitCode, left, namespaces: before.namespaces }));
