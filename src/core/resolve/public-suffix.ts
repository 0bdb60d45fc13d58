import { createRequire } from 'node:module';
import type * as TldtsModule from 'tldts';

type Tldts = typeof TldtsModule;

/** The list of public suffixes is loaded with the first wildcard, because it costs more than all other checks together. */
let loaded: Tldts | undefined;

/** Why a wildcard below `suffix` would cover names of strangers, otherwise undefined. Private suffixes (`github.io`) count. */
export function publicSuffixProblem(suffix: string): string | undefined {
  loaded ??= createRequire(import.meta.url)('tldts') as Tldts;
  const { domain } = loaded.parse(suffix, { allowPrivateDomains: true });
  return domain === null ? `a wildcard covers names of one owner, and \`${suffix}\` is a public suffix` : undefined;
}
