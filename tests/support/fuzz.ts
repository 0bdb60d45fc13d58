import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';

const KEPT = fileURLToPath(new URL('../reproductions', import.meta.url));

/** One input that broke a property, as a file of its own. */
interface Reproduction {
  readonly seed: number;
  /** Where fast-check found it */
  readonly path: string | null;
  /** The arguments of the property, after shrinking */
  readonly input: readonly unknown[];
}

/**
 * Tries a property on every input that broke it before, and then on new ones. An input that breaks it becomes a file below
 * `tests/reproductions/<name>/`, which belongs into the commit of the fix: from then on it is tried first. `TEROK_FUZZ_SEED=<seed>` makes the
 * same new inputs again. Inputs must be JSON.
 */
export async function fuzz<Ts extends [unknown, ...unknown[]]>(
  name: string,
  property: fc.IRawProperty<Ts>,
  { parameters = {}, directory = KEPT }: { readonly parameters?: fc.Parameters<Ts>; readonly directory?: string } = {},
): Promise<void> {
  const own = path.join(directory, name);
  const seed = process.env['TEROK_FUZZ_SEED'];
  const result = await fc.check(property, {
    ...parameters,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    examples: reproductions<Ts>(own),
  });
  if (!result.failed) return;
  const file = keep(own, { seed: result.seed, path: result.counterexamplePath, input: result.counterexample ?? [] });
  throw new Error(`${fc.defaultReportMessage(result)}\nThe input is kept as ${file}; commit it with the fix.`, {
    cause: result.errorInstance,
  });
}

function reproductions<Ts>(directory: string): Ts[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((file) => (JSON.parse(readFileSync(path.join(directory, file), 'utf8')) as Reproduction).input as Ts);
}

/** The same input has the same name, so it is kept once. */
function keep(directory: string, reproduction: Reproduction): string {
  const hash = createHash('sha256').update(JSON.stringify(reproduction.input)).digest('hex').slice(0, 12);
  const file = path.join(directory, `${hash}.json`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, `${JSON.stringify(reproduction, null, 2)}\n`);
  return file;
}
