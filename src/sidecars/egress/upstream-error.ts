import type { RefusalReason } from './refusal.ts';

/** A connection that could not be made; `reason` goes to the bottle, the message to the audit log. */
export class UpstreamError extends Error {
  readonly reason: RefusalReason;
  /** The server speaks HTTP/2 alone */
  readonly needsHttp2: boolean;

  constructor(
    reason: RefusalReason,
    message: string,
    { cause, needsHttp2 = false }: { readonly cause?: unknown; readonly needsHttp2?: boolean } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.needsHttp2 = needsHttp2;
  }
}
