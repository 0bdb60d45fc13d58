import type { Approval, Decision, Rejection, Review } from '../projects/git/index.ts';
import type { PullRequest } from '../upstream/index.ts';

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
  /** Branches of the task beside this one, for `--ref` */
  readonly furtherBranches: readonly string[];
}

export interface ApplyWish extends ReviewChoice {
  /** Digest of the review that the person agrees with now */
  readonly approve?: string;
  /** Leaves a signed statement about each commit as a note in the user's repository */
  readonly provenance?: boolean;
}

export interface PushWish extends ReviewChoice {
  /** Digest of the review that the person agrees with now */
  readonly approve?: string;
  /** Branch of the upstream; that of the task by default */
  readonly branch?: string;
  /** Pushes a signed statement about each commit, as notes of the upstream */
  readonly provenance?: boolean;
  /** Of the pull request; the subject of the first commit by default */
  readonly title?: string;
}

export interface PushReport {
  readonly slug: string;
  readonly host: string;
  readonly branch: string;
  readonly commit: string;
  /** Where the project names its forge */
  readonly pullRequest?: PullRequest;
  /** Why the statements were not pushed; the push itself is done */
  readonly provenanceProblem?: string;
  /** Why there is no pull request, although the project names its forge; the push itself is done */
  readonly problem?: string;
}

/** Looking at the work of a task, and deciding about it. */
export interface Reviews {
  open(slug: string, choice?: ReviewChoice): Promise<ReviewReport>;
  /** Unified diff of what is reviewed; untrusted text */
  diff(slug: string, choice?: ReviewChoice): Promise<AsyncIterable<Buffer | string>>;
  /** Approves the review of this digest, or of one that begins so; throws REFUSED where it is another by now */
  approve(slug: string, digest: string, choice?: ReviewChoice): Promise<Approval>;
  /** Records that the work is not wanted; the agent is told why */
  reject(slug: string, message: string, choice?: ReviewChoice): Promise<Rejection>;
}
