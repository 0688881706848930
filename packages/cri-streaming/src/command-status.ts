/** How a command or an attachment has ended: with an exit code, or not at all as it should. */
export type CommandOutcome =
  | { readonly type: 'exited'; readonly exitCode: number }
  | { readonly type: 'failed'; readonly message: string };

/** The fields used of Kubernetes' meta/v1 Status. */
interface Status {
  readonly status?: unknown;
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly details?: {
    readonly causes?: readonly { readonly reason?: unknown; readonly message?: unknown }[];
  };
}

/** What the error stream carries from version 4 of the remotecommand protocol on: a Status as JSON. */
export function encodeStatus(outcome: CommandOutcome): string {
  if (outcome.type === 'failed') {
    return JSON.stringify({
      metadata: {},
      status: 'Failure',
      message: `Internal error occurred: ${outcome.message}`,
      reason: 'InternalError',
      details: { causes: [{ message: outcome.message }] },
      code: 500,
    });
  }
  if (outcome.exitCode === 0) return JSON.stringify({ metadata: {}, status: 'Success' });
  return JSON.stringify({
    metadata: {},
    status: 'Failure',
    message: nonZero(outcome.exitCode),
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(outcome.exitCode) }] },
  });
}

/** What the error stream carries before version 4: nothing when all went well, otherwise words. */
export function encodeStatusText(outcome: CommandOutcome): string {
  if (outcome.type === 'failed') return outcome.message;
  return outcome.exitCode === 0 ? '' : nonZero(outcome.exitCode);
}

/** Reads a Status; whatever is none is a failure in its own words. */
export function decodeStatus(text: string): CommandOutcome {
  const status = parse(text);
  if (status.status === 'Success') return { type: 'exited', exitCode: 0 };
  if (status.reason === 'NonZeroExitCode') {
    const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
    const exitCode = Number(cause?.message);
    if (Number.isInteger(exitCode) && exitCode >= 0) return { type: 'exited', exitCode };
  }
  return { type: 'failed', message: typeof status.message === 'string' ? status.message : text };
}

function nonZero(exitCode: number): string {
  return `command terminated with non-zero exit code: ${exitCode}`;
}

function parse(text: string): Status {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
