/** What a backend can do. Callers ask what, never who; the parity table of `docs/backends.md` is generated from this. */
export interface BackendCapabilities {
  readonly isolation: 'none' | 'container' | 'microvm';
  /** Has a kernel of its own, so a kernel bug of the host is out of reach */
  readonly ownKernel: boolean;
  /** `sealed`: only the gateway's listeners exist for the bottle; `none`: the backend does not restrict the network (test backends) */
  readonly network: 'sealed' | 'none';
  /** `exec` works without OpenSSH in the image */
  readonly execWithoutSsh: boolean;
  readonly terminal: boolean;
  readonly copySymlinks: boolean;
  /** Survives stop and start: files yes, processes no */
  readonly persistentFiles: boolean;
  readonly rootUser: boolean;
  /** `pause` and `resume` work */
  readonly pausable: boolean;
  readonly enforcesLimits: boolean;
}
