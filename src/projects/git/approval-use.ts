/*
 * Scope: the one use of an approval, written down before anything happens, and what became of it. Out of scope: bringing the objects.
 * Fail-safe direction: only where the branch still is what it was before is an approval open again; whatever else is there, it is spent.
 * While it is not known, because the branch cannot be asked or the process is at it, it is no approval either.
 */
import { isDeepStrictEqual } from 'node:util';
import { currentProcess, hasLivingGit, isAlive, isTerokError } from '../../core/index.ts';
import {
  type Approval,
  type ApprovalTarget,
  type ApprovalUse,
  changeDecisions,
  type Decision,
  editDecisions,
  findApproval,
  listDecisions,
} from './approvals.ts';
import type { Review } from './review-task.ts';

export interface UsedApproval extends Approval {
  readonly use: ApprovalUse;
}

/** What the branch of a target names now; undefined where there is none. Throws where it cannot be asked. */
export type ReadTip = (target: ApprovalTarget) => Promise<string | undefined>;

/** Takes the open approval of exactly this review for one use. Of several callers at once one gets it; the others get REFUSED. */
export async function beginUse(gate: string, review: Review, target: ApprovalTarget, now: Date = new Date()): Promise<UsedApproval> {
  const use: ApprovalUse = { state: 'begun', at: now.toISOString(), target, by: currentProcess() };
  return await editDecisions(gate, review.slug, (entries) => {
    const found = findApproval(entries, review, now);
    const used = { ...found, use };
    return { entries: entries.map((entry) => (entry === found ? used : entry)), value: used };
  });
}

/** The work arrived. */
export async function finishUse(gate: string, slug: string, used: UsedApproval): Promise<void> {
  await changeUse(gate, slug, used, () => ({ ...used, use: { ...used.use, state: 'done' } }));
}

/** Settles a use by what is there now: `arrived`, `nothing` where it is open again, `other` where another commit is there and it is spent. */
export async function settleUse(
  gate: string,
  slug: string,
  used: UsedApproval,
  readTip: ReadTip,
): Promise<'arrived' | 'nothing' | 'other'> {
  const tip = await readTip(used.use.target);
  if (tip === used.new || tip !== used.use.target.before) {
    await finishUse(gate, slug, used);
    return tip === used.new ? 'arrived' : 'other';
  }
  const { use: _use, ...open } = used;
  await changeUse(gate, slug, used, (later) => (later.some(({ ref }) => ref === used.ref) ? undefined : open));
  return 'nothing';
}

/** Leaves it to the next command to find out what became of a use. */
export async function abandonUse(gate: string, slug: string, used: UsedApproval): Promise<void> {
  const { by: _by, ...use } = used.use;
  await changeUse(gate, slug, used, () => ({ ...used, use }));
}

/** Settles what killed processes began; where the branch cannot be asked, the use stays as it is. */
export async function settleUses(gate: string, slug: string, readTip: ReadTip): Promise<void> {
  for (const entry of await listDecisions(gate, slug)) {
    if (entry.kind !== 'approval' || !isBegun(entry) || (await isAtWork(entry.use))) continue;
    try {
      await settleUse(gate, slug, entry, readTip);
    } catch (error) {
      if (!isTerokError(error)) throw error;
    }
  }
}

function isBegun(entry: Approval): entry is UsedApproval {
  return entry.use?.state === 'begun';
}

async function isAtWork({ by }: ApprovalUse): Promise<boolean> {
  return by !== undefined && (isAlive(by) || (await hasLivingGit(by.pid)));
}

/** Changes nothing where somebody else settled it. `edit` is given the decisions after it; undefined from it ends the approval. */
async function changeUse(
  gate: string,
  slug: string,
  used: UsedApproval,
  edit: (later: readonly Decision[]) => Approval | undefined,
): Promise<void> {
  await changeDecisions(gate, slug, (entries) =>
    entries.flatMap((entry, index) => {
      if (entry.kind !== 'approval' || entry.id !== used.id || !isDeepStrictEqual(entry.use, used.use)) return [entry];
      return edit(entries.slice(index + 1)) ?? [];
    }),
  );
}
