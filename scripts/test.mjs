// npm test: set-up, the unit and conformance tests, then the tests of the throw-away host and those on a host with systemd.
//
//   npm test                         everything
//   npm test -- unit [FILTER…]       one or more of the projects unit, conformance, packaging, boot, host;
//                                    filters and options
//                                    (-t NAME) go to vitest
//
// Ends with a line `N passed, N failed`, and lists what was skipped or left out.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRealImages } from '../test/host/real-images.mjs';
import { isSystemdMachine } from '../test/host/requirements.mjs';
import { finish, REPOSITORY } from '../test/host/throwaway-host.mjs';
import { isRealRequired, whyNotReal, withRealHost } from './real-host.mjs';
import { setUpOrExit } from './setup.mjs';
import { readVitestReport, summaryOf } from './vitest-report.mjs';

const PROJECTS = ['unit', 'conformance', 'packaging', 'boot', 'host'];
const TIMEOUT_MS = {
  unit: 600_000,
  conformance: 600_000,
  packaging: 600_000,
  boot: 300_000,
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
async function runProject(project, exec) {
  const file = join(project === 'host' ? reports.host : reports.here, `${project}.json`);
  const command = [
    ...[join(REPOSITORY, 'node_modules/vitest/vitest.mjs'), 'run', '--project', project],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
    ...(filters.length > 0 ? ['--passWithNoTests', ...filters] : []),
  ];
  console.log(`\n== ${project}`);
  const { exitCode, timedOut } = await exec(process.execPath, command, { timeoutMs: TIMEOUT_MS[project] });
  return readVitestReport(project, file, { exitCode, timedOut, mayBeEmpty: filters.length > 0 });
}

function execHere(command, args, { timeoutMs }) {
  const child = spawn(command, args, { cwd: REPOSITORY, stdio: ['ignore', 'inherit', 'inherit'] });
  return finish(child, { timeoutMs }, () => child.kill('SIGKILL'));
}

async function runAll() {
  const results = [];
  for (const project of projects) {
    const reason = project === 'boot' || project === 'host' ? whyNotReal() : undefined;
    if (reason !== undefined) results.push({ ...nothingRan(project), leftOut: reason });
    else if (project === 'host') results.push(await runHostProject());
    // A machine with systemd needs no throw-away host.
    else if (project !== 'boot' || !isSystemdMachine()) results.push(await runProject(project, execHere));
  }
  return results;
}

async function runHostProject() {
  mkdirSync(reports.host, { recursive: true });
  try {
    // Before the host boots: it has no way to the packages.
    ensureRealImages();
    return await withRealHost('test', ({ exec }) => runProject('host', exec));
  } catch (error) {
    return { ...nothingRan('host'), failures: [`host: ${error.message}`] };
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
