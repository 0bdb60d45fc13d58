/*
 * Scope: which routes of a bottle have ended, kept on disk, so that no clock opens one again, not even after a reboot.
 * Out of scope: grants themselves. Fail-safe direction: what was once seen ended stays so.
 */
import path from 'node:path';
import { digestOf } from '../../core/canonical-json.ts';
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import { type Clock, msLeft, readClock } from '../../core/route-end.ts';
import { asStrings, readJsonFile, replaceJsonFile } from './json-file.ts';

/** A person has to give and lose that many before the oldest is forgotten. */
const MAX_ENDED = 10_000;

export function endedRoutesFile(stateDir: string): string {
  return path.join(stateDir, 'egress-ended.json');
}

export class EndedRoutes {
  readonly #file: string;
  readonly #clock: () => Clock;
  readonly #known: Set<string>;
  readonly #unsaved = new Set<string>();

  /** Throws STATE_CORRUPT. */
  constructor(file: string, clock: () => Clock = readClock) {
    this.#file = file;
    this.#clock = clock;
    this.#known = new Set(read(file));
  }

  isOpen(route: Route): boolean {
    if (route.expiresAt === undefined) return true;
    const key = keyOf(route);
    if (this.#known.has(key)) return false;
    if (msLeft(route, this.#clock()) > 0) return true;
    this.#known.add(key);
    this.#unsaved.add(key);
    return false;
  }

  /** The policy without routes that have ended. */
  without(policy: EgressPolicy): EgressPolicy {
    const routes = policy.routes.filter((route) => this.isOpen(route));
    return routes.length === policy.routes.length ? policy : { ...policy, routes };
  }

  /** Writes down what was seen; keeps what another process wrote meanwhile. */
  save(): void {
    if (this.#unsaved.size === 0) return;
    const ended = [...new Set([...read(this.#file), ...this.#unsaved])].slice(-MAX_ENDED);
    replaceJsonFile(this.#file, { version: 1, ended }, { flush: true });
    this.#unsaved.clear();
  }
}

/** Two grants of the same thing end at different times; the name may differ from one composition of the policy to the next. */
function keyOf({ name: _, ...route }: Route): string {
  return digestOf(route);
}

function read(file: string): readonly string[] {
  const hint = 'Move the file away; a timed grant that has ended then depends on the clock of this machine alone.';
  return readJsonFile(file, ({ version, ended }) => (version === 1 ? asStrings(ended) : undefined), hint) ?? [];
}
