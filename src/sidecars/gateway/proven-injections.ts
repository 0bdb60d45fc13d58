import { hash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { EgressPolicy } from '../../core/index.ts';
import { type ProofOptions, proveInjection } from './prove-injection.ts';

/**
 * Which credentials were proven for this bottle, kept on disk as a digest: a gateway that starts again after a crash serves at once,
 * also where a token endpoint is down just then.
 */
export class ProvenInjections {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** Proves what was not proven yet; throws GATEWAY_FAILED. */
  async require(policy: EgressPolicy, options: ProofOptions): Promise<void> {
    const injections = policy.routes.flatMap(({ inject, methods, paths, query, headers, tenants }) =>
      inject === undefined ? [] : [{ inject, methods, paths, query, headers, tenants }],
    );
    if (injections.length === 0) return;
    const digest = hash('sha256', JSON.stringify(injections));
    if (existsSync(this.#file) && readFileSync(this.#file, 'utf8') === digest) return;
    await proveInjection(policy, options);
    writeFileSync(this.#file, digest, { mode: 0o600 });
  }
}
