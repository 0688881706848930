// npm test: set-up, the unit and conformance tests, then the tests of the throw-away host and those on a host with systemd.
//
//   npm test                         everything
//   npm test -- unit [FILTER…]       one or more of the projects unit, conformance, packaging, boot, host;
//                                    filters and options (-t NAME) go to vitest
//
// Two tracks run at a time, each on a throw-away host of its own; what the second one prints comes when it has ended.
// Ends with a line `N passed, N failed`, and lists what was skipped or left out.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
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

/**
 * What runs one after the other, two tracks at a time: they take about as long as each other, and together less than one
 * after the other, since tests often wait. A part is a project, or the files of it that lie in `folders`.
 */
function tracks() {
  const parts = (...names) =>
    names.filter((name) => projects.includes(name)).map((name) => ({ name, project: name }));
  const host = (name, folders) => ({ name, project: 'host', folders });
  // Filters choose few files; and a machine with systemd is one host, which two tracks cannot have to themselves.
  if (!projects.includes('host')) return [parts(...PROJECTS), []];
  if (filters.length > 0 || isSystemdMachine())
    return [[...parts('unit', 'conformance', 'packaging', 'boot'), host('host', [])], []];
  return [
    [...parts('unit', 'conformance'), host('host-conformance', ['test/conformance'])],
    [host('host', ['test/e2e', 'test/host']), ...parts('packaging', 'boot')],
  ];
}

/** One run of vitest; what it reports to a file is counted, its exit code checked against that. */
async function runPart({ name, project, folders = [] }, exec, stdio) {
  const file = join(project === 'host' ? reports.host : reports.here, `${name}.json`);
  const command = [
    ...[join(REPOSITORY, 'node_modules/vitest/vitest.mjs'), 'run', '--project', project, ...folders],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
    ...(filters.length > 0 ? ['--passWithNoTests', ...filters] : []),
  ];
  console.log(`\n== ${name}`);
  const timeoutMs = TIMEOUT_MS[project];
  const { exitCode, timedOut } = await exec(process.execPath, command, { timeoutMs, stdio });
  return readVitestReport(name, file, { exitCode, timedOut, mayBeEmpty: filters.length > 0 });
}

function execHere(command, args, { timeoutMs, stdio }) {
  const child = spawn(command, args, { cwd: REPOSITORY, stdio });
  return finish(child, { timeoutMs }, () => child.kill('SIGKILL'));
}

async function runAll() {
  const [first, second] = tracks();
  const results = await Promise.all([runTrack(first), ...(second.length > 0 ? [runAside(second)] : [])]);
  return results.flat();
}

async function runTrack(track, stdio = ['ignore', 'inherit', 'inherit']) {
  const results = [];
  for (const part of track) {
    const { name, project } = part;
    const reason = project === 'host' || project === 'boot' ? whyNotReal() : undefined;
    if (reason !== undefined) results.push({ ...nothingRan(name), leftOut: reason });
    else if (project === 'host') results.push(await runOnHost(part, stdio));
    // A machine with systemd needs no throw-away host.
    else if (project !== 'boot' || !isSystemdMachine()) results.push(await runPart(part, execHere, stdio));
  }
  return results;
}

/** A track whose output is kept until it has ended. */
async function runAside(track) {
  const file = join(reports.here, 'aside.log');
  const log = openSync(file, 'w');
  try {
    return await runTrack(track, ['ignore', log, log]);
  } finally {
    closeSync(log);
    console.log(`\n== output of ${track.map(({ name }) => name).join(', ')}\n${readFileSync(file, 'utf8')}`);
  }
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
