// npm run test:v2: tests of the systemd backend on hosts with the unified cgroup hierarchy (v2), which are virtual
// machines under software emulation. Ends with a line `N passed, N failed`.
import { availableParallelism, freemem } from 'node:os';
import { parseArgs } from 'node:util';
import { VM_PACKAGES } from '../test/vm/image.mjs';
import { MACHINE_MEMORY_MB, runInMachine, whyNoMachine } from '../test/vm/machine.mjs';
import { MACHINES, SHORT, USERS_PATTERN } from '../test/vm/suites.mjs';
import { ensureDebianPackages, setUpOrExit } from './setup.mjs';
import { evaluateReport, summaryOf } from './vitest-report.mjs';

const USAGE = `npm run test:v2 [-- OPTION… [FILE…]]

  FILE…              test files; default: the conformance suite and what else depends on cgroups, on several machines
  --short            a choice of all that, for every change
  -t NAME            only tests with this in their names
  --run COMMAND      runs this shell command on the machine instead of tests
  --backports        the machine has the newer kernel of Debian's backports
  --timeout SECONDS  ends a machine then; default 10800`;

function parse() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        short: { type: 'boolean', default: false },
        testNamePattern: { type: 'string', short: 't' },
        run: { type: 'string' },
        backports: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '10800' },
      },
    });
    if (!/^[1-9]\d{0,4}$/.test(values.timeout)) throw new Error('--timeout takes a number of seconds');
    return { ...values, filters: positionals };
  } catch (error) {
    console.error(`test:v2: ${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** How much longer things take there: see test/slowness.ts. */
const SLOWNESS = '8';

/** What runs, by machine: `{name, kernel, files, pattern}`, or `command` instead of files. */
function machinesOf({ short, run, testNamePattern: pattern, backports, filters }) {
  const kernel = backports ? 'backports' : 'own';
  if (run !== undefined) return [{ name: 'v2', kernel, files: [], command: ['sh', '-c', run] }];
  if (short) return [{ ...SHORT, kernel }];
  if (filters.length === 0 && pattern === undefined && !backports) return MACHINES;
  const files = filters.length > 0 ? filters : [...new Set(MACHINES.flatMap((each) => each.files))];
  return [{ name: 'v2', kernel, files, pattern }];
}

/** Each machine is busy on little more than one core: its tests run one after the other. */
function machinesAtOnce() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 2 ** 20 / MACHINE_MEMORY_MB)));
}

/** Runs one machine; its failure is a result, so that the others are seen to their end. */
async function runMachine({ name, kernel, files, pattern, command }, isOne, run) {
  const passedOn = /^(CI|NO_COLOR|PODWRIGHT_.*)$/;
  const env = {
    PODWRIGHT_TEST_SLOWNESS: SLOWNESS,
    ...Object.fromEntries(Object.entries(process.env).filter(([each]) => passedOn.test(each))),
  };
  const plan = command ? { env, command } : { env, vitest: pattern === undefined ? [] : ['-t', pattern] };
  const print = isOne ? console.log : (line) => console.log(`${name}: ${line}`);
  try {
    const started = Date.now();
    const { exitCode, timedOut, report } = await runInMachine(files, plan, { ...run, kernel, print });
    print(`the machine ended after ${Math.round((Date.now() - started) / 1000)} s`);
    const result = evaluateReport(name, report ?? undefined, { exitCode, timedOut, mayBeEmpty: false });
    return { ...result, exitCode };
  } catch (error) {
    run.signal.throwIfAborted();
    console.error(`test:v2: ${name}: ${error.message}`);
    return { project: name, passed: 0, failures: [`${name}: ${error.message}`], skipped: [], exitCode: 1 };
  }
}

async function main(options) {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => abort.abort(new Error(`ended by ${signal}`)));
  }
  const machines = machinesOf(options);
  const run = { timeoutMs: Number(options.timeout) * 1000, signal: abort.signal };
  const results = new Map();
  const open = machines.values();
  const work = async () => {
    for (const machine of open) results.set(machine, await runMachine(machine, machines.length === 1, run));
  };
  await Promise.all(Array.from({ length: Math.min(machines.length, machinesAtOnce()) }, work));
  const inOrder = machines.map((machine) => ({ machine, ...results.get(machine) }));
  if (options.run !== undefined) return inOrder[0].exitCode;
  const { lines, failed } = summaryOf(inOrder.map(withNews), { strict: false });
  console.log(`\n${lines.join('\n')}`);
  return failed === 0 ? 0 : 1;
}

/** What a pattern leaves out is no news, nor is what another machine is there for. */
function withNews({ machine, skipped, ...result }) {
  const wanted = new RegExp(machine.pattern ?? '');
  const others = new RegExp(USERS_PATTERN);
  const isElsewhere = (title) =>
    MACHINES.includes(machine) && machine.pattern !== USERS_PATTERN && others.test(title);
  return { ...result, skipped: skipped.filter((title) => wanted.test(title) && !isElsewhere(title)) };
}

const options = parse();
setUpOrExit();
try {
  ensureDebianPackages(VM_PACKAGES);
  const reason = whyNoMachine();
  if (reason !== undefined) throw new Error(reason);
  process.exitCode = await main(options);
} catch (error) {
  console.error(`test:v2: ${error.message}`);
  if (options.run === undefined) console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
