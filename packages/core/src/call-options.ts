/** Every call takes a signal; when it fires, the call is undone as far as it got and fails with kind `cancelled`. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}
