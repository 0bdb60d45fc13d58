import type { UpstreamProxy } from '../core/upstream-proxy.ts';

/** What the program that renews a login is told; holds no secret. */
export interface RefreshJob {
  /** Directory of the vault */
  readonly dir: string;
  readonly name: string;
  /** PEM files of CAs that token endpoints may have beside those of the host */
  readonly caFiles: readonly string[];
  readonly proxy?: UpstreamProxy;
  /** See `Refresh` */
  readonly refused?: string;
}
