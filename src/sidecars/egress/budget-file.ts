import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { systemCodeOf, TerokError } from '../../core/errors.ts';

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
    if (this.#file === undefined) return;
    const staged = `${this.#file}.${process.pid}`;
    writeFileSync(staged, JSON.stringify({ version: 1, routes: Object.fromEntries(totals) }), { mode: 0o600 });
    renameSync(staged, this.#file);
  }
}

function read(file: string): Map<string, Spent> {
  const text = readText(file);
  if (text === undefined) return new Map();
  try {
    const { version, routes } = JSON.parse(text) as { readonly version: unknown; readonly routes: Record<string, unknown> };
    const entries = Object.entries(routes);
    if (version === 1 && entries.every((entry): entry is [string, Spent] => isSpent(entry[1]))) return new Map(entries);
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
  }
  throw new TerokError('STATE_CORRUPT', `\`${file}\` does not hold what the gateway wrote there.`, {
    context: { file },
    hint: 'Move the file away; the budgets of this bottle then begin anew.',
  });
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isSpent(value: unknown): value is Spent {
  if (typeof value !== 'object' || value === null) return false;
  const counts = value as Record<string, unknown>;
  return ['requests', 'bytesUp', 'bytesDown'].every((name) => Number.isSafeInteger(counts[name]) && Number(counts[name]) >= 0);
}
