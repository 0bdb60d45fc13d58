import type { PendingChange } from '../projects/git/index.ts';

export interface UpstreamView {
  readonly project: string;
  readonly url: string;
  readonly kind: 'ssh' | 'https';
  readonly hostKeys: readonly string[];
  /** Uses the user's SSH agent */
  readonly useAgent: boolean;
  /** Name of the secret that is the credential */
  readonly secret?: string | undefined;
  readonly user?: string | undefined;
  readonly forge?: { readonly kind: string; readonly api: string; readonly secret: string } | undefined;
  readonly class: 'gatekeeping' | 'online';
  readonly lastSync?: string;
}

export interface UpstreamWish {
  readonly url: string;
  /** `ssh-ed25519 AAAA…`, as the host's owner publishes it */
  readonly hostKeys?: readonly string[];
  readonly useAgent?: boolean;
  readonly secret?: string;
  readonly user?: string;
  readonly forge?: { readonly kind: 'gitea' | 'github' | 'gitlab'; readonly api: string; readonly secret: string };
}

export interface SyncView {
  readonly project: string;
  readonly at: string;
  readonly head?: string | undefined;
  readonly branches: number;
  readonly created: readonly string[];
  readonly forwarded: readonly string[];
  /** What a person must decide */
  readonly pending: readonly PendingChange[];
  /** Pushes of tasks that went to the upstream with this sync, after they had failed before */
  readonly retried: readonly string[];
  /** argv lists that bring back what `take` replaced */
  readonly restore: readonly (readonly string[])[];
}

/** The upstream of a project. `source` is a directory of the project. */
export interface GitApi {
  setUpstream(source: string, wish: UpstreamWish): Promise<UpstreamView>;
  upstream(source: string): Promise<UpstreamView>;
  /** One line of `authorized_keys`: the deploy key of the project, made where there is none */
  key(source: string): Promise<string>;
  /** Asks the upstream and takes what is no loss. `take` names branches whose pending change is taken as well */
  sync(source: string, take?: readonly string[]): Promise<SyncView>;
}
