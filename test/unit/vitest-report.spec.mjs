import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluateReport, summaryOf } from '../../scripts/vitest-report.mjs';

const ended = { exitCode: 0, timedOut: false, mayBeEmpty: false };
const test = (status, fullName = status) => ({ status, fullName });
const file = (assertionResults, more = {}) => ({
  name: join(process.cwd(), 'a.spec.ts'),
  status: 'passed',
  message: '',
  assertionResults,
  ...more,
});

describe('evaluateReport', () => {
  it('counts the passed and names the failed and the skipped', () => {
    const report = {
      testResults: [file([test('passed'), test('failed', 'is red'), test('skipped'), test('todo')])],
    };
    expect(evaluateReport('unit', report, { ...ended, exitCode: 1 })).toEqual({
      project: 'unit',
      passed: 1,
      failures: ['a.spec.ts: is red'],
      skipped: ['a.spec.ts: skipped', 'a.spec.ts: todo'],
    });
  });

  it.each([
    [
      'an error with its stack',
      ['AssertionError: expected 0\n  to be 1\n    at a.ts:1:2'],
      ': AssertionError: expected 0 to be 1',
    ],
    ['colours', ['\u001b[31mError\u001b[39m: red'], ': Error: red'],
    ['several errors', ['Error: one', 'Error: two', 'Error: three'], ': Error: one (and 2 more)'],
    ['a message of pages', ['x'.repeat(10_000)], `: ${'x'.repeat(400)}`],
    ['no message', [], ''],
  ])('tells of %s in a line', (_, failureMessages, reason) => {
    const report = { testResults: [file([{ ...test('failed', 'is red'), failureMessages }])] };
    const { failures } = evaluateReport('unit', report, { ...ended, exitCode: 1 });
    expect(failures).toEqual([`a.spec.ts: is red${reason}`]);
  });

  it.each([
    [
      'a file that did not load',
      { testResults: [file([], { status: 'failed', message: 'no such module\nat x' })] },
      { exitCode: 1 },
      'a.spec.ts: no such module',
    ],
    [
      'a file whose hook failed after its tests',
      { testResults: [file([test('passed')], { status: 'failed', message: 'afterAll' })] },
      { exitCode: 1 },
      'a.spec.ts: afterAll',
    ],
    [
      'no report at all',
      undefined,
      { exitCode: 1 },
      'unit: vitest ended with exit code 1 and no failed test',
    ],
    [
      'an unhandled error beside passed tests',
      { testResults: [file([test('passed')])] },
      { exitCode: 1 },
      'unit: vitest ended with exit code 1 and no failed test',
    ],
    [
      'a run that took too long',
      { testResults: [file([test('passed')])] },
      { exitCode: 124, timedOut: true },
      'unit: ended for running too long',
    ],
    ['a project without tests', { testResults: [] }, {}, 'unit: no test ran'],
  ])('takes %s for a failure', (_, report, run, failure) => {
    expect(evaluateReport('unit', report, { ...ended, ...run }).failures).toEqual([failure]);
  });

  it('lets a filter match nothing in a project', () => {
    expect(evaluateReport('unit', { testResults: [] }, { ...ended, mayBeEmpty: true }).failures).toEqual([]);
  });
});

describe('summaryOf', () => {
  const unit = { project: 'unit', passed: 3, failures: ['x'], skipped: ['s'] };
  const host = { project: 'host', passed: 2, failures: [], skipped: ['h'] };

  it('sums up in its last line and lists what was skipped', () => {
    expect(summaryOf([unit, host], { strict: false })).toEqual({
      lines: ['skipped: s', 'skipped: h', 'failed: x', '5 passed, 1 failed'],
      failed: 1,
    });
  });

  it('takes a test skipped on the real host for a failure where the real thing is required', () => {
    expect(summaryOf([unit, host], { strict: true }).lines.at(-1)).toBe('5 passed, 2 failed');
  });

  it('takes a real host left out for a failure only where the real thing is required', () => {
    const leftOut = { project: 'host', passed: 0, failures: [], skipped: [], leftOut: 'no Linux' };
    expect(summaryOf([leftOut], { strict: false })).toEqual({
      lines: ['left out: everything of the project host: no Linux', '0 passed, 0 failed'],
      failed: 0,
    });
    expect(summaryOf([leftOut], { strict: true }).failed).toBe(1);
  });
});
