// npm test: set-up, then the tests of this machine, of throw-away hosts and of a host with systemd.
//
//   npm test                         everything
//   npm test -- unit [FILTER…]       one or more of the projects unit, conformance, packaging, boot, host;
//                                    filters and options (-t NAME) go to vitest
//
// Without filters two parts run at a time (test-parts.mjs), those of the project `host` each on a throw-away host of its
// own; what a part prints comes when it has ended. Ends with a line `N passed, N failed`, and lists what was skipped or
// left out.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRealImages } from '../test/host/real-images.mjs';
import { isSystemdMachine } from '../test/host/requirements.mjs';
import { finish, REPOSITORY } from '../test/host/throwaway-host.mjs';
import { isRealRequired, whyNotReal, withRealHost } from './real-host.mjs';
import { setUpOrExit } from './setup.mjs';
import { inLanes, PROJECTS, partsOf } from './test-parts.mjs';
import { readVitestReport, summaryOf } from './vitest-report.mjs';

/** Tests often wait, so two parts at a time take less than one; a third one on two cores makes all of them wait longer. */
const LANES = 2;
const TIMEOUT_MS = {
  unit: 600_000,
  conformance: 600_000,
  packaging: 600_000,
  boot: 1_200_000,
  host: 1_800_000,
};

const args = process.argv.slice(2);
const chosen = PROJECTS.filter((project) => args.includes(project));
const filters = args.filter((arg) => !PROJECTS.includes(arg));
const projects = chosen.length > 0 ? chosen : PROJECTS;
// What runs on the throw-away host reports into the checkout, which it sees at the same path.
const reports = {
  here: mkdtempSync(join(tmpdir(), 'podwright-test-')),
  host: join(REPOSITORY, 'node_modules/.cache/podwright-test', String(process.pid)),
};

/** One run of vitest; what it reports to a file is counted, its exit code checked against that. */
async function runPart({ name, project, args }, exec, stdio) {
  const file = join(project === 'host' ? reports.host : reports.here, `${name}.json`);
  const command = [
    ...[join(REPOSITORY, 'node_modules/vitest/vitest.mjs'), 'run', '--project', project, ...args],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
    ...(filters.length > 0 ? ['--passWithNoTests', ...filters] : []),
  ];
  const timeoutMs = TIMEOUT_MS[project];
  const { exitCode, timedOut } = await exec(process.execPath, command, { timeoutMs, stdio });
  return readVitestReport(name, file, { exitCode, timedOut, mayBeEmpty: filters.length > 0 });
}

function execHere(command, args, { timeoutMs, stdio }) {
  const child = spawn(command, args, { cwd: REPOSITORY, stdio });
  return finish(child, { timeoutMs }, () => child.kill('SIGKILL'));
}

async function runAll() {
  // Filters choose few files; and a machine with systemd is one host, which two parts cannot have to themselves.
  const divided = filters.length === 0 && !isSystemdMachine() && whyNotReal() === undefined;
  const parts = partsOf(projects, { divided });
  if (divided && parts.length > 1) return await inLanes(LANES, parts, runAside);
  return await inLanes(1, parts, runAlone);
}

async function runAlone(part) {
  console.log(`\n== ${part.name}`);
  return await run(part, ['ignore', 'inherit', 'inherit']);
}

/** With others beside it: its output is kept until it has ended, and no other is in between. */
async function runAside(part) {
  const file = join(reports.here, `${part.name}.log`);
  const log = openSync(file, 'w');
  const started = Date.now();
  try {
    return await run(part, ['ignore', log, log]);
  } finally {
    closeSync(log);
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    console.log(`\n== ${part.name}, ${seconds} s\n${readFileSync(file, 'utf8')}`);
  }
}

async function run(part, stdio) {
  const { name, project } = part;
  const reason = project === 'host' || project === 'boot' ? whyNotReal() : undefined;
  if (reason !== undefined) return { ...nothingRan(name), leftOut: reason };
  if (project === 'host') return await runOnHost(part, stdio);
  // A machine with systemd needs no throw-away host.
  if (project === 'boot' && isSystemdMachine()) return nothingRan(name);
  return await runPart(part, execHere, stdio);
}

async function runOnHost(part, stdio) {
  mkdirSync(reports.host, { recursive: true });
  try {
    // Before the host boots: it has no way to the packages.
    ensureRealImages();
    return await withRealHost(`test-${part.name}`, ({ exec }) => runPart(part, exec, stdio));
  } catch (error) {
    return { ...nothingRan(part.name), failures: [`${part.name}: ${error.message}`] };
  }
}

function nothingRan(project) {
  return { project, passed: 0, failures: [], skipped: [] };
}

setUpOrExit();
try {
  const { lines, failed } = summaryOf(await runAll(), { strict: isRealRequired() });
  console.log(`\n${lines.join('\n')}`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  for (const folder of Object.values(reports)) rmSync(folder, { recursive: true, force: true });
}
