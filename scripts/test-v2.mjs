// npm run test:v2: tests of the systemd backend on a host with the unified cgroup hierarchy (v2), which is a virtual
// machine under software emulation. Ends with a line `N passed, N failed`.
import { parseArgs } from 'node:util';
import { VM_PACKAGES } from '../test/vm/image.mjs';
import { runInMachine, whyNoMachine } from '../test/vm/machine.mjs';
import { FULL, SHORT_FILES, shortPattern } from '../test/vm/suites.mjs';
import { ensureDebianPackages, setUpOrExit } from './setup.mjs';
import { evaluateReport, summaryOf } from './vitest-report.mjs';

const USAGE = `npm run test:v2 [-- OPTION… [FILE…]]

  FILE…              test files; default: the conformance suite and what else depends on cgroups
  --short            a choice of all that, for every change
  -t NAME            only tests with this in their names
  --run COMMAND      runs this shell command on the machine instead of tests
  --timeout SECONDS  ends the machine then; default 10800`;

function parse() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        short: { type: 'boolean', default: false },
        testNamePattern: { type: 'string', short: 't' },
        run: { type: 'string' },
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

function planOf({ short, run, testNamePattern }) {
  const passedOn = /^(CI|NO_COLOR|PODWRIGHT_.*)$/;
  const env = {
    PODWRIGHT_TEST_SLOWNESS: SLOWNESS,
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name))),
  };
  if (run !== undefined) return { env, command: ['sh', '-c', run] };
  const pattern = short ? shortPattern() : testNamePattern;
  return { env, vitest: pattern === undefined ? [] : ['-t', pattern] };
}

function filesOf({ short, run, filters }) {
  if (run !== undefined) return [];
  if (short) return SHORT_FILES;
  return filters.length > 0 ? filters : FULL;
}

async function main(options) {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => abort.abort(new Error(`ended by ${signal}`)));
  }
  const run = { timeoutMs: Number(options.timeout) * 1000, signal: abort.signal };
  const { exitCode, timedOut, report } = await runInMachine(filesOf(options), planOf(options), run);
  if (options.run !== undefined) return exitCode;
  const result = evaluateReport('v2', report ?? undefined, { exitCode, timedOut, mayBeEmpty: false });
  // What the pattern leaves out is no news.
  const isWhole = !options.short && options.testNamePattern === undefined;
  const { lines, failed } = summaryOf([isWhole ? result : { ...result, skipped: [] }], { strict: false });
  console.log(`\n${lines.join('\n')}`);
  return failed === 0 ? 0 : 1;
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
