/** A proxy between the host and the internet, as a company has one. */
export interface UpstreamProxy {
  /** `http://name:port` (CONNECT) or `socks5://name:port`, without a user */
  readonly url: string;
  /** Name of the secret `user:password` in the vault */
  readonly secret?: string;
  /** Names that are reached directly: `name`, `*.suffix` or `*` */
  readonly noProxy: readonly string[];
  /** The proxy may resolve names that the host cannot, and so cannot check */
  readonly remoteNames: boolean;
}
