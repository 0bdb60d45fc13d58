/*
 * Scope: decisions of a person about reviewed objects: kept, used once, with an end. Out of scope: who may decide: whoever runs
 * terok as this user. Fail-safe direction: an approval that does not fit in every field, has ended or was used is none.
 */
import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { parseSlug, readStateFile, TerokError, withLock, writeStateFile } from '../../core/index.ts';
import type { Review } from './review-task.ts';

const who = z.strictObject({ user: z.string(), uid: z.int(), host: z.string() });
const hex = z.string().regex(/^[0-9a-f]+$/);

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
  use: z.strictObject({ at: z.iso.datetime(), target: z.string() }).optional(),
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
  await change(gate, review.slug, (entries) => [...entries.filter((entry) => !isOpen(entry, ref)), made]);
  return made;
}

/** Records that a person does not want this; open approvals of the ref end. */
export async function reject(
  gate: string,
  slug: string,
  refused: { readonly ref: string; readonly new: string; readonly message: string },
): Promise<Rejection> {
  const made: Rejection = { kind: 'rejection', ...decidedBy(new Date()), ...refused };
  await change(gate, slug, (entries) => [...entries.filter((entry) => !isOpen(entry, refused.ref)), made]);
  return made;
}

/** Takes the open approval of exactly this review for one use. Of several callers at once one gets it; the others get REFUSED. */
export async function useApproval(gate: string, review: Review, target: string, now: Date = new Date()): Promise<Approval> {
  let used: Approval | undefined;
  await change(gate, review.slug, (entries) =>
    entries.map((entry) => {
      if (used !== undefined || !isOpen(entry, review.ref) || !fits(entry, review, now)) return entry;
      used = { ...entry, use: { at: now.toISOString(), target } };
      return used;
    }),
  );
  if (used !== undefined) return used;
  throw notApproved(review, await listDecisions(gate, review.slug), now);
}

/** Gives an approval back whose use has failed before it had an effect. */
export async function releaseApproval(gate: string, slug: string, id: string): Promise<void> {
  await change(gate, slug, (entries) =>
    entries.map((entry) => {
      if (entry.kind !== 'approval' || entry.id !== id) return entry;
      const { use: _use, ...open } = entry;
      return open;
    }),
  );
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
  const open = entries.filter((entry) => isOpen(entry, review.ref)).at(-1);
  return new TerokError('REFUSED', `The work of \`${review.slug}\` is not approved: ${reasonOf(review, open, now)}.`, {
    context: { slug: review.slug, ref: review.ref, digest: review.digest },
    hint: `Look at it with \`terok review ${review.slug}\`, then \`terok approve ${review.slug}\`, or give \`--approve ${review.digest.slice(0, 16)}\`.`,
  });
}

function reasonOf(review: Review, open: Approval | undefined, now: Date): string {
  if (open === undefined) return 'nobody approved it, or the approval was used';
  if (Date.parse(open.expiresAt) <= now.getTime()) return `the approval ended at ${open.expiresAt}`;
  if (open.new !== review.new) return `the branch moved from ${open.new.slice(0, 12)} to ${review.new.slice(0, 12)} since`;
  if (open.policy !== review.policy) return 'the policy of the task, or the rules of the review, changed since';
  return 'what is shown is not what was shown then';
}

function decidedBy(now: Date): Pick<Approval, 'id' | 'by' | 'at'> {
  const { username, uid } = userInfo();
  return { id: randomBytes(6).toString('hex'), by: { user: username, uid, host: hostname() }, at: now.toISOString() };
}

async function change(gate: string, slug: string, edit: (entries: readonly Decision[]) => readonly Decision[]): Promise<void> {
  const file = fileOf(gate, slug);
  await withLock(file, async () => {
    const entries = edit(await listDecisions(gate, slug)).slice(-MAX_ENTRIES);
    await writeStateFile(file, decisions.parse({ version: 1, entries }));
  });
}

function fileOf(gate: string, slug: string): string {
  return path.join(gate, 'decisions', `${parseSlug(slug)}.json`);
}
