/*
 * Scope: the values that must not leave the bottle, and one matcher for all of them. Out of scope: what happens to a find.
 * Fail-safe direction: values that cannot be read refuse the request that asks for them.
 */
import { PatternMatcher } from '../pattern-matcher.ts';
import { type SecretEncoding, secretForms } from '../secret-forms.ts';
import type { Finding } from './finding.ts';

export interface WatchedValue {
  readonly kind: 'secret' | 'canary';
  readonly name: string;
  readonly value: string;
}

/** Where the values come from. */
export interface WatchedSource {
  /** Changes with every value that is added, replaced or removed; cheap */
  stamp(): Promise<string>;
  values(): Promise<readonly WatchedValue[]>;
}

/** The values of a source, and the canary of the bottle. */
export function watchedWith(canary: string | undefined, source: WatchedSource | undefined): WatchedSource {
  const own: readonly WatchedValue[] = canary === undefined ? [] : [{ kind: 'canary', name: 'canary', value: canary }];
  return {
    stamp: async () => (await source?.stamp()) ?? '',
    values: async () => [...own, ...((await source?.values()) ?? [])],
  };
}

/** A shorter value stands in too many honest requests. */
const MIN_VALUE_LENGTH = 8;
/** A new secret is looked for after this long at the latest. */
const RECHECK_MS = 2_000;

/** The matcher and what each of its patterns stands for. */
export interface NeedleSet {
  readonly matcher: PatternMatcher;
  findingOf(pattern: number): Finding;
}

export class WatchedValues {
  readonly #source: WatchedSource;
  #set: NeedleSet | undefined;
  #stamp: string | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;

  constructor(source: WatchedSource) {
    this.#source = source;
  }

  /** As they were when somebody last asked for them. */
  get known(): NeedleSet | undefined {
    return this.#set;
  }

  /** Undefined where there is nothing to look for. */
  async current(): Promise<NeedleSet | undefined> {
    if (performance.now() - this.#checkedAt > RECHECK_MS) {
      this.#loading ??= this.#load().finally(() => {
        this.#loading = undefined;
      });
      await this.#loading;
    }
    return this.#set;
  }

  async #load(): Promise<void> {
    const stamp = await this.#source.stamp();
    if (stamp !== this.#stamp) {
      this.#set = needleSetOf(await this.#source.values());
      this.#stamp = stamp;
    }
    this.#checkedAt = performance.now();
  }
}

/** The canary comes first, so that a form that it shared with a secret would be its own. */
export function needleSetOf(values: readonly WatchedValue[]): NeedleSet | undefined {
  const ordered = [...values].sort((a, b) => Number(b.kind === 'canary') - Number(a.kind === 'canary'));
  const forms = ordered
    .filter(({ value }) => value.length >= MIN_VALUE_LENGTH)
    .flatMap(({ kind, name, value }) => secretForms(value).map(({ encoding, bytes }) => ({ kind, name, encoding, bytes })));
  if (forms.length === 0) return undefined;
  const findings: readonly (Finding & { readonly encoding: SecretEncoding })[] = forms;
  return {
    matcher: new PatternMatcher(forms.map(({ bytes }) => bytes)),
    findingOf: (pattern) => {
      const { kind, name, encoding } = findings[pattern] ?? { kind: 'secret' as const, name: 'unknown', encoding: 'plain' as const };
      return { kind, name, encoding };
    },
  };
}
