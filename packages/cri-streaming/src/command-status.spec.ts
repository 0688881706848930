import { describe, expect, it } from 'vitest';
import { type CommandOutcome, decodeStatus, encodeStatus, encodeStatusText } from './command-status.js';

describe('how a command ended, on the error stream', () => {
  it.each<{ outcome: CommandOutcome; status: object; words: string }>([
    { outcome: { type: 'exited', exitCode: 0 }, status: { metadata: {}, status: 'Success' }, words: '' },
    {
      outcome: { type: 'exited', exitCode: 137 },
      status: {
        metadata: {},
        status: 'Failure',
        message: 'command terminated with non-zero exit code: 137',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '137' }] },
      },
      words: 'command terminated with non-zero exit code: 137',
    },
    {
      outcome: { type: 'failed', message: 'no such container' },
      status: {
        metadata: {},
        status: 'Failure',
        message: 'Internal error occurred: no such container',
        reason: 'InternalError',
        details: { causes: [{ message: 'no such container' }] },
        code: 500,
      },
      words: 'no such container',
    },
  ])('$outcome', ({ outcome, status, words }) => {
    expect(JSON.parse(encodeStatus(outcome))).toEqual(status);
    expect(encodeStatusText(outcome)).toBe(words);
  });

  it.each<{ text: string; outcome: CommandOutcome }>([
    { text: '{"metadata":{},"status":"Success"}', outcome: { type: 'exited', exitCode: 0 } },
    { text: encodeStatus({ type: 'exited', exitCode: 42 }), outcome: { type: 'exited', exitCode: 42 } },
    { text: '{"status":"Failure","message":"broken"}', outcome: { type: 'failed', message: 'broken' } },
    {
      text: '{"status":"Failure","reason":"NonZeroExitCode","message":"m","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}',
      outcome: { type: 'failed', message: 'm' },
    },
    {
      text: '{"status":"Failure","reason":"NonZeroExitCode","message":"m"}',
      outcome: { type: 'failed', message: 'm' },
    },
    { text: 'plain words', outcome: { type: 'failed', message: 'plain words' } },
    { text: 'null', outcome: { type: 'failed', message: 'null' } },
  ])('$text is $outcome', ({ text, outcome }) => {
    expect(decodeStatus(text)).toEqual(outcome);
  });
});
