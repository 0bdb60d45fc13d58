/*
 * Scope: brings approved objects somewhere, once. Out of scope: how they get there (`apply-task.ts`, `push-work.ts`).
 * Fail-safe direction: what is taken is the commit of the review, by its id; the branch of the gate is not asked for it. The use of an
 * approval is written down before anything happens, and given back only where nothing did.
 */
import { messageOf, TerokError } from '../../core/index.ts';
import { type ApplyInputs, type ApplyResult, applyTask, describeApply } from './apply-task.ts';
import { abandonUse, beginUse, finishUse, type ReadTip, settleUse, type UsedApproval } from './approval-use.ts';
import { approve, findApproval } from './approvals.ts';
import { type ApprovalTarget, listDecisions, type UseStep } from './decisions.ts';
import { APPLIED_REF, isGitSource, taskRepository } from './gate.ts';
import { resolveRevision } from './git.ts';
import { assertUnmoved, type Review } from './review-task.ts';

export interface TakeRequest {
  readonly gate: string;
  /** What the person was shown, or what is there now where an earlier approval is to be used */
  readonly review: Review;
  /** The person agrees with the review at this moment */
  readonly agreed: boolean;
  /** Where it goes */
  readonly target: Omit<ApprovalTarget, 'before'>;
  readonly readTip: ReadTip;
  /** What the caller does after the work arrived, written down with the use of the approval */
  readonly steps?: readonly UseStep[];
}

/**
 * Runs `work` under an approval of the review; throws REFUSED where there is none. `work` is given what the branch of the target named.
 * Where it fails although the commit is there now, that is success: the answer was lost, not the commit.
 */
export async function underApproval(
  { gate, review, agreed, target, readTip, steps = [] }: TakeRequest,
  work: (before: string | undefined) => Promise<void>,
): Promise<UsedApproval> {
  if (agreed) await approve(gate, review);
  findApproval(await listDecisions(gate, review.slug), review, new Date());
  const before = await readTip(target);
  const approval = await beginUse(gate, review, {
    target: { ...target, ...(before === undefined ? {} : { before }) },
    steps: [...steps],
  });
  try {
    await assertUnmoved(gate, review);
    await work(before);
  } catch (error) {
    const isThere = await hasArrived({ gate, slug: review.slug, approval, readTip }, error);
    if (!isThere || before === review.new) throw error;
    return approval;
  }
  await finishUse(gate, review.slug, approval);
  return approval;
}

interface Use {
  readonly gate: string;
  readonly slug: string;
  readonly approval: UsedApproval;
  readonly readTip: ReadTip;
}

/** Settles a use whose work failed with `failure`. */
async function hasArrived({ gate, slug, approval, readTip }: Use, failure: unknown): Promise<boolean> {
  try {
    return (await settleUse(gate, slug, approval, readTip)) === 'arrived';
  } catch (cause) {
    await abandonUse(gate, slug, approval);
    throw new TerokError('GIT_FAILED', `${messageOf(failure)} Whether the work arrived is not known: ${messageOf(cause)}`, {
      context: { slug, target: approval.use.target.name },
      hint: 'The approval is kept back until it is known; the next `terok review`, `apply` or `push` asks again.',
      cause: failure,
    });
  }
}

/**
 * Takes the reviewed commit into the user's repository or directory, and gives the approval that was used.
 *
 * @param bringObjects takes what its files stand for, before a branch names them
 */
export async function applyApproved(
  { gate, review, agreed, steps = [] }: Pick<TakeRequest, 'gate' | 'review' | 'agreed' | 'steps'>,
  source: string,
  bringObjects: () => Promise<void> = async () => undefined,
): Promise<{ readonly result: ApplyResult; readonly approval: UsedApproval }> {
  const { slug, ref } = review;
  const inputs: ApplyInputs = { gate, slug, source, ref, tip: review.new };
  const result = await describeApply(inputs);
  const kind = (await isGitSource(source)) ? 'repository' : 'directory';
  const readTip: ReadTip = async (target) => await readLocalTip(gate, slug, target);
  const approval = await underApproval({ gate, review, agreed, target: { kind, name: source, ref }, readTip, steps }, async () => {
    await bringObjects();
    await applyTask(inputs);
  });
  return { result, approval };
}

/** What the branch of the user names, or what a directory got last. */
export async function readLocalTip(
  gate: string,
  slug: string,
  { kind, name, ref }: Omit<ApprovalTarget, 'before'>,
): Promise<string | undefined> {
  return kind === 'directory' ? await resolveRevision(taskRepository(gate, slug), APPLIED_REF) : await resolveRevision(name, ref);
}
