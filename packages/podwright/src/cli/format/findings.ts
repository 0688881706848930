import type { CheckResult } from '../doctor/check.js';

const STATE_WIDTH = 6;

/** A line for each check, with what to do below those that are not fine, and a count. */
export function formatFindings(results: readonly CheckResult[]): string {
  const nameWidth = Math.max(0, ...results.map(({ name }) => name.length)) + 2;
  const lines = results.flatMap(({ name, state, found, fix }) => {
    const [first = '', ...more] = found.split('\n');
    const indent = ' '.repeat(STATE_WIDTH + nameWidth);
    return [
      `${state.padEnd(STATE_WIDTH)}${name.padEnd(nameWidth)}${first}`,
      ...more.map((line) => `${indent}${line}`),
      ...(fix === undefined ? [] : [`${indent}fix: ${fix}`]),
    ];
  });
  return `${[...lines, '', summary(results)].join('\n')}\n`;
}

function summary(results: readonly CheckResult[]): string {
  const count = (state: CheckResult['state']) => results.filter((result) => result.state === state).length;
  const [failures, warnings] = [count('fail'), count('warn')];
  const warned = warnings === 0 ? '' : `, with ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
  if (failures === 0) return `Pods can run here${warned}.`;
  return `Pods cannot run here: ${failures} ${failures === 1 ? 'thing is' : 'things are'} missing${warned}.`;
}
