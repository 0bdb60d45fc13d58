import { storeOf } from './gate.ts';
import { git, resolveRevision } from './git.ts';
import { readSync, SNAPSHOT } from './sync-upstream.ts';

/** How far what a task works on is from what the upstream has. */
export interface UpstreamAge {
  /** When the gate last asked the upstream, ISO 8601; absent where it never did */
  readonly lastSync?: string;
  /** It was not asked for a day, or never: `behind` may be more by now */
  readonly stale: boolean;
  /** Branch of the upstream that the work is compared with; absent where the upstream had none that fits */
  readonly branch?: string;
  /** Commits of that branch that the base of the task does not have */
  readonly behind?: number;
}

/** People who push daily are a day ahead at most; `terok git sync` is theirs to run, in `ms` */
const STALE_MS = 24 * 60 * 60_000;

/** Compares with the branch of the same name, or with the default one of the upstream. Asks nobody but the gate. */
export async function upstreamAge(
  gate: string,
  base: { readonly branch: string; readonly commit: string },
  now: number = Date.now(),
): Promise<UpstreamAge> {
  const sync = await readSync(gate);
  if (sync === undefined) return { stale: true };
  const known = { lastSync: sync.at, stale: now - Date.parse(sync.at) > STALE_MS };
  const store = storeOf(gate);
  for (const branch of [base.branch, sync.head]) {
    if (branch === undefined || (await resolveRevision(store, `${SNAPSHOT}${branch}`)) === undefined) continue;
    const range = ['--count', `${SNAPSHOT}${branch}`, `^${base.commit}`, '--'];
    const { exitCode, stdout } = await git(store, ['rev-list', ...range], { accept: [128] });
    return { ...known, branch, ...(exitCode === 0 ? { behind: Number(stdout.toString('latin1')) } : {}) };
  }
  return known;
}
