import path from 'node:path';
import { z } from 'zod';
import { readStateFile } from '../../core/index.ts';
import { taskRepository } from './gate.ts';

const hex = z.string().regex(/^[0-9a-f]{40,64}$/);

const verdictSchema = z.strictObject({
  version: z.literal(1),
  at: z.iso.datetime(),
  policy: z.string(),
  outcome: z.enum(['clean', 'held', 'refused']),
  scanner: z.string(),
  refs: z.array(z.strictObject({ ref: z.string(), old: hex, new: hex })),
  objects: z.int(),
  bytes: z.int(),
  durationMs: z.int(),
  findings: z.array(
    z.strictObject({
      rule: z.string(),
      action: z.enum(['refuse', 'hold']),
      path: z.string(),
      what: z.string(),
      object: z.string().optional(),
      commit: z.string().optional(),
      line: z.int().optional(),
    }),
  ),
});

/** What the gate's scan found in a push that was taken. Every text in it is safe to print. */
export type ScanVerdict = z.infer<typeof verdictSchema>;

/** The verdict about a commit that was pushed; undefined where the gate has none, which counts as not clean. */
export async function readVerdict(gate: string, slug: string, commit: string): Promise<ScanVerdict | undefined> {
  return await readStateFile(path.join(taskRepository(gate, slug), 'terok/verdicts', `${hex.parse(commit)}.json`), verdictSchema);
}
