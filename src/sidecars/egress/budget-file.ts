import { readJsonFile, replaceJsonFile } from './json-file.ts';

/** Totals of one route. */
export interface Spent {
  readonly requests: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** Names of routes are at most 100 characters, and a policy has at most 200 of them; old ones are kept. */
const MAX_ROUTES = 2_000;

/** Totals on disk, replaced in one step. */
export class BudgetFile {
  readonly #file: string | undefined;
  readonly #reserved: Map<string, Spent>;

  constructor(file: string | undefined) {
    this.#file = file;
    this.#reserved = file === undefined ? new Map<string, Spent>() : read(file);
  }

  get reserved(): ReadonlyMap<string, Spent> {
    return this.#reserved;
  }

  /** Throws where it cannot be written; the count is as before then. */
  reserve(name: string, spent: Spent): void {
    if (!this.#reserved.has(name) && this.#reserved.size >= MAX_ROUTES) throw new Error('There are too many routes with a budget.');
    const next = new Map(this.#reserved).set(name, spent);
    this.#write(next);
    this.#reserved.set(name, spent);
  }

  settle(used: ReadonlyMap<string, Spent>): void {
    if (used.size > 0) this.#write(used);
  }

  #write(totals: ReadonlyMap<string, Spent>): void {
    if (this.#file !== undefined) replaceJsonFile(this.#file, { version: 1, routes: Object.fromEntries(totals) }, { flush: false });
  }
}

function read(file: string): Map<string, Spent> {
  return readJsonFile(file, parseTotals, 'Move the file away; the budgets of this bottle then begin anew.') ?? new Map<string, Spent>();
}

function parseTotals({ version, routes }: Readonly<Record<string, unknown>>): Map<string, Spent> | undefined {
  const entries = Object.entries(Object(routes) as Record<string, unknown>);
  const isWhole = version === 1 && typeof routes === 'object' && routes !== null;
  return isWhole && entries.every((entry): entry is [string, Spent] => isSpent(entry[1])) ? new Map(entries) : undefined;
}

function isSpent(value: unknown): value is Spent {
  if (typeof value !== 'object' || value === null) return false;
  const counts = value as Record<string, unknown>;
  return ['requests', 'bytesUp', 'bytesDown'].every((name) => Number.isSafeInteger(counts[name]) && Number(counts[name]) >= 0);
}
