import { randomBytes } from 'node:crypto';
import { PodwrightError } from '@podwright/core';

/** Requests whose client has not come yet, each under a token that cannot be guessed, is good once and expires. */
export class PendingRequests<Request> {
  /** In the order of their expiry. */
  private readonly pending = new Map<string, { readonly request: Request; readonly expiresAtMs: number }>();

  constructor(private readonly limits: { readonly ttlMs: number; readonly max: number }) {}

  /** @throws PodwrightError kind `unavailable` when too many wait */
  add(request: Request, nowMs: number): string {
    this.expire(nowMs);
    if (this.pending.size >= this.limits.max) {
      throw new PodwrightError(
        'unavailable',
        `${this.limits.max} streaming requests wait for their clients already. Try again when some have come or expired.`,
      );
    }
    const token = randomBytes(24).toString('base64url');
    this.pending.set(token, { request, expiresAtMs: nowMs + this.limits.ttlMs });
    return token;
  }

  /** The request of a token that is still good; it stays good. */
  look(token: string, nowMs: number): Request | undefined {
    this.expire(nowMs);
    return this.pending.get(token)?.request;
  }

  /** The token is void from now on. */
  remove(token: string): void {
    this.pending.delete(token);
  }

  clear(): void {
    this.pending.clear();
  }

  private expire(nowMs: number): void {
    for (const [token, { expiresAtMs }] of this.pending) {
      if (expiresAtMs > nowMs) return;
      this.pending.delete(token);
    }
  }
}
