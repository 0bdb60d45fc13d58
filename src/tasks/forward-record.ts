import path from 'node:path';
import { z } from 'zod';
import { readStateFile, withLock, writeStateFile } from '../core/index.ts';
import { recordDecision, taskRepository } from '../projects/git/index.ts';

const entrySchema = z.strictObject({
  at: z.iso.datetime(),
  ref: z.string(),
  commit: z.string(),
  outcome: z.enum(['forwarded', 'waiting', 'failed']),
  reason: z.string().optional(),
});
const forwardsSchema = z.strictObject({ version: z.literal(1), entries: z.array(entrySchema) });

/** What became of a push of an `online` project. */
export type ForwardEntry = z.infer<typeof entrySchema>;

/** Older ones go */
const MAX_ENTRIES = 500;

export async function recordForward(gate: string, slug: string, entry: Omit<ForwardEntry, 'at'>): Promise<void> {
  const file = fileOf(gate, slug);
  await recordDecision(gate, slug, { kind: 'forward', decision: entry.outcome === 'forwarded' ? 'allow' : 'deny', ...entry });
  await withLock(file, async () => {
    const entries = await listForwards(gate, slug);
    await writeStateFile(file, { version: 1, entries: [...entries, { at: new Date().toISOString(), ...entry }].slice(-MAX_ENTRIES) });
  });
}

/** Puts into the log of decisions that a push is about to go on. */
export async function beginForward(gate: string, slug: string, { ref, commit }: Pick<ForwardEntry, 'ref' | 'commit'>): Promise<void> {
  await recordDecision(gate, slug, { kind: 'forward', decision: 'allow', outcome: 'begun', ref, commit });
}

export async function listForwards(gate: string, slug: string): Promise<readonly ForwardEntry[]> {
  return (await readStateFile(fileOf(gate, slug), forwardsSchema))?.entries ?? [];
}

function fileOf(gate: string, slug: string): string {
  return path.join(taskRepository(gate, slug), 'terok/forwards.json');
}
