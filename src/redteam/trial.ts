/*
 * Scope: what one row saw, and the verdict that follows from it. Out of scope: carrying attacks out.
 * Fail-safe direction: without a control that fired, or when the row itself fails, nothing is proven; one attack that got through breaks
 * the claim, whatever else was seen.
 */
import { messageOf } from '../core/index.ts';

export type Verdict = 'held' | 'broken' | 'not proven' | 'unsupported' | 'out of scope';

/** One thing that was tried. */
export interface Observation {
  /** `control`: with the defence off, it must work. `attack`: with the defence on, it must not */
  readonly kind: 'control' | 'attack';
  readonly what: string;
  /** Did what was tried work? */
  readonly worked: boolean;
  /** What was seen; may hold untrusted text */
  readonly seen: string;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly reason?: string;
}

/** Enough to recognise what happened, not enough to fill a terminal */
const MAX_SEEN = 300;

/** Given to a row, which notes down everything that it tries. */
export class Trial {
  readonly #observations: Observation[] = [];
  #excuse: Judgement | undefined;

  get observations(): readonly Observation[] {
    return this.#observations;
  }

  /** Notes what was tried with the defence off. `worked` false takes the proof away from the row. */
  control(what: string, worked: boolean, seen: unknown = ''): void {
    this.#observations.push({ kind: 'control', what, worked, seen: abbreviate(seen) });
  }

  /** Notes what was tried against the defence. `worked` true breaks the claim. */
  attack(what: string, worked: boolean, seen: unknown = ''): void {
    this.#observations.push({ kind: 'attack', what, worked, seen: abbreviate(seen) });
  }

  /** The control cannot be made on this machine. What the attacks show counts all the same. */
  cannotProve(reason: string): void {
    this.#excuse ??= { verdict: 'not proven', reason };
  }

  /** The backend does not claim to have this defence. */
  unsupported(reason: string): void {
    this.#excuse ??= { verdict: 'unsupported', reason };
  }

  judge(): Judgement {
    const attacks = this.#observations.filter(({ kind }) => kind === 'attack');
    const controls = this.#observations.filter(({ kind }) => kind === 'control');
    const through = attacks.filter(({ worked }) => worked);
    if (through.length > 0) return { verdict: 'broken', reason: `got through: ${through.map(({ what }) => what).join('; ')}` };
    if (this.#excuse !== undefined) return this.#excuse;
    const silent = controls.filter(({ worked }) => !worked);
    if (silent.length > 0)
      return { verdict: 'not proven', reason: `did not work without the defence either: ${silent.map(({ what }) => what).join('; ')}` };
    if (controls.length === 0 || attacks.length === 0)
      return { verdict: 'not proven', reason: `the row tried ${attacks.length} attacks and ${controls.length} controls` };
    return { verdict: 'held' };
  }
}

function abbreviate(seen: unknown): string {
  const text = typeof seen === 'string' ? seen : seen instanceof Error ? messageOf(seen) : (JSON.stringify(seen) ?? '');
  return text.length > MAX_SEEN ? `${text.slice(0, MAX_SEEN)}…` : text;
}
