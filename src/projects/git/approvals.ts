/*
 * Scope: decisions of a person about reviewed objects: made, kept, and fitting one review until they end. Out of scope: their use
 * (`approval-use.ts`); who may decide: whoever runs terok as this user. Fail-safe direction: an approval that does not fit in every
 * field, has ended or was used, also halfway, is none.
 */
import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { parseSlug, processIdentitySchema, readStateFile, TerokError, withLock, writeStateFile } from '../../core/index.ts';
import type { Review } from './review-task.ts';

const who = z.strictObject({ user: z.string(), uid: z.int(), host: z.string() });
const hex = z.string().regex(/^[0-9a-f]+$/);

const target = z.strictObject({
  kind: z.enum(['repository', 'directory', 'upstream']),
  /** Absolute path, or address of the upstream */
  name: z.string(),
  /** Full name of the branch there */
  ref: z.string(),
  /** The commit that the branch named before; absent where there was none */
  before: hex.optional(),
});

const use = z.strictObject({
  /** `begun` is written before anything happens there, `done` once it is known that it did */
  state: z.enum(['begun', 'done']),
  at: z.iso.datetime(),
  target,
  /** The process that is at it; absent where it gave up without knowing what became of it */
  by: processIdentitySchema.optional(),
});

const approval = z.strictObject({
  kind: z.literal('approval'),
  id: hex,
  ref: z.string(),
  old: hex,
  new: hex,
  tree: hex,
  policy: hex,
  /** Digest of what was shown */
  review: hex,
  by: who,
  at: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** What the person saw, in numbers */
  shown: z.strictObject({ commits: z.int(), files: z.int(), findings: z.int(), hidden: z.int() }),
  use: use.optional(),
});

const rejection = z.strictObject({
  kind: z.literal('rejection'),
  id: hex,
  ref: z.string(),
  new: hex,
  by: who,
  at: z.iso.datetime(),
  message: z.string(),
});

const decisions = z.strictObject({ version: z.literal(1), entries: z.array(z.discriminatedUnion('kind', [approval, rejection])) });

export type Approval = z.infer<typeof approval>;
export type ApprovalUse = z.infer<typeof use>;
/** Where approved objects go, and what was there before */
export type ApprovalTarget = z.infer<typeof target>;
export type Rejection = z.infer<typeof rejection>;
export type Decision = Approval | Rejection;

/** A day: long enough to sleep over it, short enough to remember what it was */
const LIFETIME_MS = 24 * 60 * 60_000;
/** More decisions than anyone makes about one task; the oldest go */
const MAX_ENTRIES = 1_000;

/** All decisions about a task, oldest first. */
export async function listDecisions(gate: string, slug: string): Promise<readonly Decision[]> {
  return (await readStateFile(fileOf(gate, slug), decisions))?.entries ?? [];
}

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
  await changeDecisions(gate, review.slug, (entries) => [...entries.filter((entry) => !isOpen(entry, ref)), made]);
  return made;
}

/** Records that a person does not want this; open approvals of the ref end. */
export async function reject(
  gate: string,
  slug: string,
  refused: { readonly ref: string; readonly new: string; readonly message: string },
): Promise<Rejection> {
  const made: Rejection = { kind: 'rejection', ...decidedBy(new Date()), ...refused };
  await changeDecisions(gate, slug, (entries) => [...entries.filter((entry) => !isOpen(entry, refused.ref)), made]);
  return made;
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
  const last = entries.findLast((entry): entry is Approval => entry.kind === 'approval' && entry.ref === review.ref);
  return new TerokError('REFUSED', `The work of \`${review.slug}\` is not approved: ${reasonOf(review, last, now)}.`, {
    context: { slug: review.slug, ref: review.ref, digest: review.digest },
    hint: `Look at it with \`terok review ${review.slug}\`, then \`terok approve ${review.slug}\`, or give \`--approve ${review.digest.slice(0, 16)}\`.`,
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

/** Read-modify-write of the decisions about a task, under their lock. */
export async function editDecisions<T>(
  gate: string,
  slug: string,
  edit: (entries: readonly Decision[]) => { readonly entries: readonly Decision[]; readonly value: T },
): Promise<T> {
  const file = fileOf(gate, slug);
  return await withLock(file, async () => {
    const { entries, value } = edit(await listDecisions(gate, slug));
    await writeStateFile(file, decisions.parse({ version: 1, entries: entries.slice(-MAX_ENTRIES) }));
    return value;
  });
}

/** As `editDecisions`, for a change that gives nothing back. */
export async function changeDecisions(
  gate: string,
  slug: string,
  change: (entries: readonly Decision[]) => readonly Decision[],
): Promise<void> {
  await editDecisions(gate, slug, (entries) => ({ entries: change(entries), value: undefined }));
}

function fileOf(gate: string, slug: string): string {
  return path.join(gate, 'decisions', `${parseSlug(slug)}.json`);
}
