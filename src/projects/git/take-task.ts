/*
 * Scope: brings approved objects somewhere, once. Out of scope: how they get there (`apply-task.ts`, `push-task.ts`).
 * Fail-safe direction: what is taken is the commit of the review, by its id; the branch of the gate is not asked for it. An approval
 * is marked as used before anything happens, and given back only where nothing did.
 */
import { type ApplyResult, applyTask } from './apply-task.ts';
import { type Approval, approve, releaseApproval, useApproval } from './approvals.ts';
import { assertUnmoved, type Review } from './review-task.ts';

export interface TakeRequest {
  readonly gate: string;
  /** What the person was shown, or what is there now where an earlier approval is to be used */
  readonly review: Review;
  /** The person agrees with the review at this moment */
  readonly agreed: boolean;
  /** Where it goes, for the record */
  readonly target: string;
}

/** Runs `work` under an approval of the review; throws REFUSED where there is none. */
export async function underApproval<T>(
  { gate, review, agreed, target }: TakeRequest,
  work: (approval: Approval) => Promise<T>,
): Promise<T> {
  if (agreed) await approve(gate, review);
  const approval = await useApproval(gate, review, target);
  try {
    await assertUnmoved(gate, review);
    return await work(approval);
  } catch (error) {
    await releaseApproval(gate, review.slug, approval.id);
    throw error;
  }
}

/**
 * Takes the reviewed commit into the user's repository or directory, and gives the approval that was used.
 *
 * @param bringObjects takes what its files stand for, before a branch names them
 */
export async function applyApproved(
  request: Omit<TakeRequest, 'target'>,
  source: string,
  bringObjects: () => Promise<void> = async () => undefined,
): Promise<{ readonly result: ApplyResult; readonly approval: Approval }> {
  const { gate, review } = request;
  return await underApproval({ ...request, target: source }, async (approval) => {
    await bringObjects();
    return { result: await applyTask({ gate, slug: review.slug, source, ref: review.ref, tip: review.new }), approval };
  });
}
