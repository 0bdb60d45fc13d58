import type { SecretEncoding } from '../secret-forms.ts';

/** What was found on its way out. Safe to show: it names what was found and never says it. */
export interface Finding {
  /** `detector`: looks like a credential; `canary`: the token that nobody in the bottle has a use for */
  readonly kind: 'secret' | 'canary' | 'detector';
  /** Name of the secret, or the kind of credential */
  readonly name: string;
  readonly encoding?: SecretEncoding;
}

export function describeFinding({ kind, name, encoding }: Finding): string {
  if (kind === 'canary') return 'the canary of this bottle';
  if (kind === 'detector') return `what looks like a credential (${name})`;
  return `the value of the secret \`${name}\`${encoding === undefined || encoding === 'plain' ? '' : ` (as ${encoding})`}`;
}
