// Counting what vitest reports, so that no failure hides: files that did not load, runs that broke off, tests skipped.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const REASON_LENGTH = 400;

/**
 * What a run of one project came to: `{project, passed, failures: [text], skipped: [text]}`.
 * @param file vitest's JSON report; may be missing when vitest broke off
 * @param run `{exitCode, timedOut, mayBeEmpty}`
 */
export function readVitestReport(project, file, run) {
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  return evaluateReport(project, report, run);
}

/** The same for a report that was read already; undefined when there is none. */
export function evaluateReport(project, report, { exitCode, timedOut, mayBeEmpty }) {
  const failures = [];
  const skipped = [];
  let passed = 0;
  for (const { name, status, message, assertionResults } of report?.testResults ?? []) {
    const file = relative(process.cwd(), name);
    for (const test of assertionResults) {
      const title = `${file}: ${test.fullName}`;
      if (test.status === 'passed') passed += 1;
      else if (test.status === 'failed') failures.push(`${title}${reasonOf(test)}`);
      else skipped.push(title);
    }
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed'))
      failures.push(`${file}: ${message?.split('\n')[0] || 'did not load'}`);
  }
  if (timedOut) failures.push(`${project}: ended for running too long`);
  else if (report?.testResults.length === 0 && !mayBeEmpty) failures.push(`${project}: no test ran`);
  else if (exitCode !== 0 && failures.length === 0)
    failures.push(`${project}: vitest ended with exit code ${exitCode} and no failed test`);
  return { project, passed, failures, skipped };
}

/** Why a test failed, in a line: what a reader of the last lines alone needs to begin with. */
function reasonOf({ failureMessages = [] }) {
  const [message, ...others] = failureMessages.map((each) =>
    stripVTControlCharacters(each)
      .split(/\n\s+at /)[0]
      .replace(/\s+/g, ' ')
      .slice(0, REASON_LENGTH),
  );
  if (message === undefined) return '';
  return others.length === 0 ? `: ${message}` : `: ${message} (and ${others.length} more)`;
}

/**
 * The end of what `npm test` prints.
 * @param options.strict what was left out or skipped on the real host is a failure
 */
export function summaryOf(results, { strict }) {
  const failures = results.flatMap((result) => result.failures);
  const lines = [];
  for (const { project, skipped, leftOut } of results) {
    const counts = strict && project !== 'unit' && project !== 'conformance';
    for (const title of skipped) (counts ? failures : lines).push(`skipped: ${title}`);
    if (leftOut === undefined) continue;
    lines.push(`left out: everything of the project ${project}: ${leftOut}`);
    if (strict) failures.push(`${project}: left out`);
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  return {
    lines: [
      ...lines,
      ...failures.map((each) => `failed: ${each}`),
      `${passed} passed, ${failures.length} failed`,
    ],
    failed: failures.length,
  };
}
