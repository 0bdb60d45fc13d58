/*
 * Scope: decisions of a person about reviewed objects: made, kept, and fitting one review until they end. Out of scope: their use
 * (`approval-use.ts`); who may decide: whoever runs terok as this user. Fail-safe direction: an approval that does not fit in every
 * field, has ended or was used, also halfway, is none.
 */
import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { refOption, TerokError } from '../../core/index.ts';
import { type Approval, type Decision, editDecisions, type Rejection } from './decisions.ts';
import type { Review } from './review-task.ts';

/** A day: long enough to sleep over it, short enough to remember what it was */
const LIFETIME_MS = 24 * 60 * 60_000;

/** Records that a person has seen this review and agrees. An earlier approval of the task that was not used ends with it. */
export async function approve(gate: string, review: Review, now: Date = new Date()): Promise<Approval> {
  const { ref, old, tree, policy, digest } = review;
  const made: Approval = {
    kind: 'approval',
    ...decidedBy(now),
    ref,
    old,
    new: review.new,
    tree,
    policy,
    review: digest,
    expiresAt: new Date(now.getTime() + LIFETIME_MS).toISOString(),
    shown: {
      commits: review.commitCount,
      files: review.fileCount,
      findings: review.surface.findings.length + review.surface.omitted,
      hidden: review.hidden.count,
    },
  };
  return await editDecisions(gate, review.slug, (entries) => ({
    entries: [...entries.filter((entry) => !isOpen(entry, ref)), made],
    value: made,
    event: { kind: 'approve', decision: 'allow', ...signed(made), old, tree, policy, review: digest },
  }));
}

/** Records that a person does not want this; open approvals of the ref end. */
export async function reject(
  gate: string,
  slug: string,
  refused: { readonly ref: string; readonly new: string; readonly message: string },
): Promise<Rejection> {
  const made: Rejection = { kind: 'rejection', ...decidedBy(new Date()), ...refused };
  return await editDecisions(gate, slug, (entries) => ({
    entries: [...entries.filter((entry) => !isOpen(entry, refused.ref)), made],
    value: made,
    event: { kind: 'reject', decision: 'deny', ...signed(made), message: made.message },
  }));
}

/** What the log of decisions says of each. */
function signed({ id, ref, new: commit, by }: Decision): Readonly<Record<'id' | 'ref' | 'commit' | 'user' | 'host', string>> {
  return { id, ref, commit, user: by.user, host: by.host };
}

/** The open approval of exactly this review; throws REFUSED, with what is in the way, where there is none. */
export function findApproval(entries: readonly Decision[], review: Review, now: Date): Approval {
  const found = entries.find((entry): entry is Approval => isOpen(entry, review.ref) && fits(entry, review, now));
  if (found !== undefined) return found;
  throw notApproved(review, entries, now);
}

function isOpen(entry: Decision, ref: string): entry is Approval {
  return entry.kind === 'approval' && entry.ref === ref && entry.use === undefined;
}

function fits(entry: Approval, review: Review, now: Date): boolean {
  const bound = ['ref', 'old', 'new', 'tree', 'policy'] as const;
  const isLive = Date.parse(entry.expiresAt) > now.getTime() && Date.parse(entry.at) <= now.getTime() + 60_000;
  return isLive && bound.every((field) => entry[field] === review[field]) && entry.review === review.digest;
}

function notApproved(review: Review, entries: readonly Decision[], now: Date): TerokError {
  const named = `${review.slug}${refOption(review.slug, review.ref)}`;
  const last = entries.findLast((entry): entry is Approval => entry.kind === 'approval' && entry.ref === review.ref);
  return new TerokError('REFUSED', `The work of \`${review.slug}\` is not approved: ${reasonOf(review, last, now)}.`, {
    context: { slug: review.slug, ref: review.ref, digest: review.digest },
    hint: `Look at it with \`terok review ${named}\`, then \`terok approve ${named}\`, or give \`--approve ${review.digest.slice(0, 16)}\`.`,
  });
}

function reasonOf(review: Review, last: Approval | undefined, now: Date): string {
  if (last === undefined) return 'nobody approved it';
  if (last.use?.state === 'done') return `the last approval was used at ${last.use.at} for ${last.use.target.name}`;
  if (last.use !== undefined)
    return `the last approval was taken at ${last.use.at} for ${last.use.target.name}, and whether the work arrived there is not known yet`;
  if (Date.parse(last.expiresAt) <= now.getTime()) return `the approval ended at ${last.expiresAt}`;
  if (last.new !== review.new) return `the branch moved from ${last.new.slice(0, 12)} to ${review.new.slice(0, 12)} since`;
  if (last.policy !== review.policy) return 'the policy of the task, or the rules of the review, changed since';
  return 'what is shown is not what was shown then';
}

function decidedBy(now: Date): Pick<Approval, 'id' | 'by' | 'at'> {
  const { username, uid } = userInfo();
  return { id: randomBytes(6).toString('hex'), by: { user: username, uid, host: hostname() }, at: now.toISOString() };
}
