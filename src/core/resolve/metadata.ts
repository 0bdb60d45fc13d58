/*
 * Scope: the record of one bottle, `<state>/bottles/<slug>/record.json`: which step of its life was reached. Out of scope: whether it
 * runs now, which only the runtime knows. Fail-safe direction: a step that would skip the seal is refused.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { BottlePlan } from '../bottle.ts';
import { ignoreCodes, isTerokError, TerokError } from '../errors.ts';
import { withLock } from '../lock.ts';
import { bottleDirs, type TerokPaths } from '../paths.ts';
import { readStateFile, writeStateFile } from '../state-file.ts';
import { egressPolicySchema } from './egress-plan.ts';
import { takenSlugs } from './slug.ts';

const PHASES = ['planned', 'created', 'sealed', 'running', 'stopped', 'removed'] as const;

/** How far a bottle's life has got; each step is written when it is done. */
export type BottlePhase = (typeof PHASES)[number];

/** Where a bottle may go from each phase. Back to `planned`: its runtime object was lost or was never finished. */
const NEXT: Readonly<Record<BottlePhase, readonly BottlePhase[]>> = {
  planned: ['created'],
  created: ['sealed', 'planned'],
  sealed: ['running', 'stopped', 'planned'],
  running: ['stopped', 'planned'],
  stopped: ['running', 'planned'],
  removed: [],
};

const limitName = z.enum(['memory', 'cpus', 'pids', 'files', 'disk']);

const plan = z.strictObject({
  backend: z.string(),
  spec: z.strictObject({
    slug: z.string(),
    project: z.string(),
    image: z.string(),
    env: z.record(z.string(), z.string()),
    limits: z.strictObject({
      memoryMiB: z.number(),
      cpus: z.number(),
      pids: z.number(),
      files: z.number(),
      diskMiB: z.number().optional(),
    }),
    unenforcedLimits: z.array(limitName),
    sudo: z.boolean(),
    egress: egressPolicySchema,
    ports: z.array(z.strictObject({ hostPort: z.int(), port: z.int() })).optional(),
  }),
  runtimeName: z.string(),
  stateDir: z.string(),
  runtimeDir: z.string(),
  missingLimits: z.array(limitName),
  namespaceLauncher: z.array(z.string()),
});

const bottleRecord = z.strictObject({
  version: z.literal(1),
  slug: z.string(),
  project: z.string(),
  backend: z.string(),
  /** ISO 8601 */
  createdAt: z.string(),
  phase: z.enum(PHASES),
  // The policy's schema yields optional fields as `T | undefined`; JSON has no undefined, so both types are the same on disk
  plan: (plan as unknown as z.ZodType<BottlePlan>).optional(),
  /** Loopback address of the host */
  alias: z.string().optional(),
  agent: z.string().optional(),
  /** Commit that the bottle's clone starts from */
  base: z.string().optional(),
});

export type BottleRecord = Readonly<z.infer<typeof bottleRecord>>;

/** What lies in a bottle's directory. `unfinished`: reserved, but the process died before the record was written. */
export type RecordEntry =
  | { readonly kind: 'record'; readonly slug: string; readonly record: BottleRecord }
  | { readonly kind: 'unfinished'; readonly slug: string; readonly reservedAt: Date }
  | { readonly kind: 'corrupt'; readonly slug: string; readonly error: TerokError };

export function recordFile(paths: TerokPaths, slug: string): string {
  return path.join(bottleDirs(paths, slug).stateDir, 'record.json');
}

/** Undefined where the bottle has no record; STATE_CORRUPT where the file is not one. */
export async function readRecord(paths: TerokPaths, slug: string): Promise<BottleRecord | undefined> {
  return await readStateFile(recordFile(paths, slug), bottleRecord);
}

/** Writes the first record of a reserved bottle; throws ALREADY_EXISTS where it has one and NOT_FOUND where nothing is reserved. */
export async function writeRecord(paths: TerokPaths, record: BottleRecord): Promise<void> {
  await locked(paths, record.slug, async () => {
    if ((await readRecord(paths, record.slug)) !== undefined) {
      throw new TerokError('ALREADY_EXISTS', `The bottle \`${record.slug}\` has a record.`, { context: { slug: record.slug } });
    }
    if (record.phase !== 'planned') throw illegal(record.slug, undefined, record.phase);
    await writeStateFile(recordFile(paths, record.slug), bottleRecord.parse(record));
  });
}

/** Read-modify-write under the record's lock. Throws NOT_FOUND without a record, WRONG_STATE for a step that a bottle cannot take. */
export async function updateRecord(paths: TerokPaths, slug: string, change: (record: BottleRecord) => BottleRecord): Promise<BottleRecord> {
  return await locked(paths, slug, async () => {
    const record = await readRecord(paths, slug);
    if (record === undefined) throw noBottle(slug);
    const changed = bottleRecord.parse(change(record));
    assertStep(record, changed);
    await writeStateFile(recordFile(paths, slug), changed);
    return changed;
  });
}

/** Every bottle directory, in alphabetical order, also those that a crash left half made. */
export async function listRecords(paths: TerokPaths): Promise<readonly RecordEntry[]> {
  const entries = await Promise.all((await takenSlugs(paths)).map((slug) => entryOf(paths, slug)));
  return entries.filter((entry) => entry !== undefined);
}

async function entryOf(paths: TerokPaths, slug: string): Promise<RecordEntry | undefined> {
  try {
    const record = await readRecord(paths, slug);
    if (record !== undefined) return { kind: 'record', slug, record };
    const info = await ignoreCodes(['ENOENT'], () => stat(bottleDirs(paths, slug).stateDir));
    return info === undefined ? undefined : { kind: 'unfinished', slug, reservedAt: info.birthtime };
  } catch (error) {
    if (isTerokError(error) && error.code === 'STATE_CORRUPT') return { kind: 'corrupt', slug, error };
    throw error;
  }
}

/** The lock lies in the bottle's directory, so it must not bring a removed directory back. */
async function locked<T>(paths: TerokPaths, slug: string, work: () => Promise<T>): Promise<T> {
  const reserved = await ignoreCodes(['ENOENT'], () => stat(bottleDirs(paths, slug).stateDir));
  if (reserved === undefined) throw noBottle(slug);
  return await withLock(recordFile(paths, slug), work);
}

function assertStep(before: BottleRecord, after: BottleRecord): void {
  if (before.slug !== after.slug) throw new TerokError('WRONG_STATE', `A record keeps its slug \`${before.slug}\`; got \`${after.slug}\`.`);
  const legal =
    before.phase === after.phase || (before.phase !== 'removed' && after.phase === 'removed') || NEXT[before.phase].includes(after.phase);
  if (!legal) throw illegal(before.slug, before.phase, after.phase);
}

function illegal(slug: string, from: BottlePhase | undefined, to: BottlePhase): TerokError {
  return new TerokError('WRONG_STATE', `The bottle \`${slug}\` cannot go from ${from ?? 'nothing'} to ${to}.`, {
    context: { slug, from, to },
  });
}

function noBottle(slug: string): TerokError {
  return new TerokError('NOT_FOUND', `There is no bottle \`${slug}\`.`, { context: { slug }, hint: 'List the tasks with `terok list`.' });
}
