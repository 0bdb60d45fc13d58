/*
 * Scope: the one use of an approval, written down before anything happens, and what became of it. Out of scope: bringing the objects.
 * Fail-safe direction: only where the branch still is what it was before is an approval open again; whatever else is there, it is spent.
 * While it is not known, because the branch cannot be asked or the process is at it, it is no approval either.
 */
import { isDeepStrictEqual } from 'node:util';
import { type AuditEvent, currentProcess, hasLivingGit, isAlive, isTerokError } from '../../core/index.ts';
import { findApproval } from './approvals.ts';
import {
  type Approval,
  type ApprovalTarget,
  type ApprovalUse,
  type Decision,
  editDecisions,
  listDecisions,
  type UseStep,
} from './decisions.ts';
import type { Review } from './review-task.ts';

export interface UsedApproval extends Approval {
  readonly use: ApprovalUse;
}

/** What became of it: the commit is there, nothing changed, or something else is there */
export type UseOutcome = 'arrived' | 'nothing' | 'other';

/** What the branch of a target names now; undefined where there is none. Throws where it cannot be asked. */
export type ReadTip = (target: ApprovalTarget) => Promise<string | undefined>;

/** Takes the open approval of exactly this review for one use. Of several callers at once one gets it; the others get REFUSED. */
export async function beginUse(
  gate: string,
  review: Review,
  { target, steps = [] }: Pick<ApprovalUse, 'target' | 'steps'>,
): Promise<UsedApproval> {
  const now = new Date();
  const use: ApprovalUse = { state: 'begun', at: now.toISOString(), target, by: currentProcess(), ...(steps.length > 0 ? { steps } : {}) };
  return await editDecisions(gate, review.slug, (entries) => {
    const found = findApproval(entries, review, now);
    const used = { ...found, use };
    return { entries: entries.map((entry) => (entry === found ? used : entry)), value: used, event: eventOf(used, 'begun') };
  });
}

/** The work arrived. */
export async function finishUse(gate: string, slug: string, used: UsedApproval): Promise<void> {
  await changeUse(gate, slug, { used, outcome: 'arrived', edit: doneOf(used) });
}

/** Takes a step off the list, because it was done or its failure was told. */
export async function dropStep(gate: string, slug: string, used: UsedApproval, { kind }: UseStep): Promise<void> {
  await editDecisions(gate, slug, (entries) => ({
    entries: entries.map((entry) => {
      if (entry.kind !== 'approval' || entry.id !== used.id || entry.use?.steps === undefined) return entry;
      return { ...entry, use: { ...entry.use, steps: entry.use.steps.filter((step) => step.kind !== kind) } };
    }),
    value: undefined,
    event: eventOf(used, kind),
  }));
}

/** Uses whose work arrived, and whose process ended before the last step. */
export async function unfinishedUses(gate: string, slug: string): Promise<readonly UsedApproval[]> {
  const found: UsedApproval[] = [];
  for (const entry of await listDecisions(gate, slug)) {
    if (entry.kind !== 'approval' || !isUsed(entry) || entry.use.state !== 'done' || (entry.use.steps ?? []).length === 0) continue;
    if (!(await isAtWork(entry.use))) found.push(entry);
  }
  return found;
}

/** Settles a use by what is there now: `arrived`, `nothing` where it is open again, `other` where another commit is there and it is spent. */
export async function settleUse(gate: string, slug: string, used: UsedApproval, readTip: ReadTip): Promise<UseOutcome> {
  const tip = await readTip(used.use.target);
  const outcome = tip === used.new ? 'arrived' : tip === used.use.target.before ? 'nothing' : 'other';
  const { use: _use, ...open } = used;
  const reopened = (later: readonly Decision[]): Approval | undefined => (later.some(({ ref }) => ref === used.ref) ? undefined : open);
  await changeUse(gate, slug, { used, outcome, edit: outcome === 'nothing' ? reopened : doneOf(used) });
  return outcome;
}

/** Leaves it to the next command to find out what became of a use. */
export async function abandonUse(gate: string, slug: string, used: UsedApproval): Promise<void> {
  const { by: _by, ...use } = used.use;
  await changeUse(gate, slug, { used, outcome: 'unknown', edit: () => ({ ...used, use }) });
}

/** Settles what killed processes began; where the branch cannot be asked, the use stays as it is. */
export async function settleUses(gate: string, slug: string, readTip: ReadTip): Promise<void> {
  for (const entry of await listDecisions(gate, slug)) {
    if (entry.kind !== 'approval' || !isUsed(entry) || entry.use.state !== 'begun' || (await isAtWork(entry.use))) continue;
    try {
      await settleUse(gate, slug, entry, readTip);
    } catch (error) {
      if (!isTerokError(error)) throw error;
    }
  }
}

function isUsed(entry: Approval): entry is UsedApproval {
  return entry.use !== undefined;
}

async function isAtWork({ by }: ApprovalUse): Promise<boolean> {
  return by !== undefined && (isAlive(by) || (await hasLivingGit(by.pid)));
}

function doneOf(used: UsedApproval): () => Approval {
  return () => ({ ...used, use: { ...used.use, state: 'done' } });
}

interface UseChange {
  readonly used: UsedApproval;
  readonly outcome: UseOutcome | 'unknown';
  /** Given the decisions after it; undefined from it ends the approval */
  readonly edit: (later: readonly Decision[]) => Approval | undefined;
}

/** Changes nothing where somebody else settled it. */
async function changeUse(gate: string, slug: string, { used, outcome, edit }: UseChange): Promise<void> {
  await editDecisions(gate, slug, (entries) => {
    const at = entries.findIndex((entry) => entry.kind === 'approval' && entry.id === used.id && isDeepStrictEqual(entry.use, used.use));
    if (at === -1) return { entries, value: undefined };
    const later = entries.slice(at + 1);
    const changed = edit(later);
    return {
      entries: [...entries.slice(0, at), ...(changed === undefined ? [] : [changed]), ...later],
      value: undefined,
      event: eventOf(used, outcome),
    };
  });
}

function eventOf(
  { id, new: commit, use: { target } }: UsedApproval,
  outcome: UseChange['outcome'] | UseStep['kind'] | 'begun',
): AuditEvent {
  return {
    kind: target.kind === 'upstream' ? 'push' : 'apply',
    decision: outcome === 'nothing' ? 'deny' : 'allow',
    outcome,
    approval: id,
    commit,
    target: target.name,
    ref: target.ref,
    before: target.before,
  };
}
