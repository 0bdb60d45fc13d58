/** What every call that takes time accepts. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}
