import path from 'node:path';
import { z } from 'zod';
import { type BottlePlan, readStateFile } from '../../core/index.ts';

const recordSchema = z.strictObject({ containerId: z.string().regex(/^[0-9a-f]{64}$/), exec: z.enum(['ssh', 'api']) });

/** What the backend remembers of a bottle beside the plan. */
export type BottleRecord = z.infer<typeof recordSchema>;

export function bottleRecordFile(plan: BottlePlan): string {
  return path.join(plan.stateDir, 'podman.json');
}

export function readBottleRecord(plan: BottlePlan): Promise<BottleRecord | undefined> {
  return readStateFile(bottleRecordFile(plan), recordSchema);
}
