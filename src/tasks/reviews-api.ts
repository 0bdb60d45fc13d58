import type { Approval, Decision, Rejection, Review } from '../projects/git/index.ts';

export interface ReviewChoice {
  /** A branch of the task; its main one by default */
  readonly ref?: string;
}

/** What a person is shown before work goes anywhere. Every text in it is safe to print. */
export interface ReviewReport extends Review {
  /** An approval of exactly this that was not used and has not ended */
  readonly approval: Approval | undefined;
  /** Everything that was decided about the task, oldest first */
  readonly decisions: readonly Decision[];
}

/** Looking at the work of a task, and deciding about it. */
export interface Reviews {
  open(slug: string, choice?: ReviewChoice): Promise<ReviewReport>;
  /** Unified diff of what is reviewed; untrusted text */
  diff(slug: string, choice?: ReviewChoice): Promise<AsyncIterable<Buffer | string>>;
  /** Approves the review of this digest, or of one that begins so; throws REFUSED where it is another by now */
  approve(slug: string, digest: string, choice?: ReviewChoice): Promise<Approval>;
  /** Records that the work is not wanted; the agent is told why */
  reject(slug: string, message: string): Promise<Rejection>;
}
