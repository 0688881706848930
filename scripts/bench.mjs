// npm run bench: set-up, then test/bench/bench.mjs on a host with systemd; all arguments go to it (`--json`).
import { join } from 'node:path';
import { REPOSITORY } from '../test/host/throwaway-host.mjs';
import { whyNotReal, withRealHost } from './real-host.mjs';
import { setUpOrExit } from './setup.mjs';

const BENCH = join(REPOSITORY, 'test/bench/bench.mjs');
const TIMEOUT_MS = 900_000;

setUpOrExit();
try {
  const missing = whyNotReal();
  if (missing !== undefined) throw new Error(`there is nothing to measure without systemd: ${missing}`);
  const { exitCode, timedOut } = await withRealHost('bench', ({ exec }) =>
    exec(process.execPath, [BENCH, ...process.argv.slice(2)], { timeoutMs: TIMEOUT_MS }),
  );
  if (timedOut) console.error(`bench: ended after ${TIMEOUT_MS / 1000} s`);
  process.exitCode = exitCode;
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
}
