import path from 'node:path';
import { z } from 'zod';
import { readStateFile, writeStateFile } from '../../core/index.ts';

const state = z.strictObject({ status: z.enum(['created', 'running', 'paused', 'stopped']) });

export type FakeStatus = z.infer<typeof state>['status'];

export interface FakeDirs {
  readonly base: string;
  /** What the bottle's absolute paths are taken relative to */
  readonly root: string;
  readonly log: string;
  /** Entry in the environment of every process of the bottle */
  readonly marker: string;
}

export function fakeDirs({ stateDir }: { readonly stateDir: string }): FakeDirs {
  const base = path.join(stateDir, 'fake');
  return { base, root: path.join(base, 'root'), log: path.join(base, 'init.log'), marker: `TEROK_FAKE_BOTTLE=${base}` };
}

export async function readFakeState(dirs: { readonly stateDir: string }): Promise<FakeStatus | undefined> {
  return (await readStateFile(path.join(fakeDirs(dirs).base, 'state.json'), state))?.status;
}

export async function writeFakeState(dirs: { readonly stateDir: string }, status: FakeStatus): Promise<void> {
  await writeStateFile(path.join(fakeDirs(dirs).base, 'state.json'), { status });
}
