/** The task layer's side of reviews: what a person sees of a task, decides about it, and where approved work goes. */
import { refOption, renderUntrusted, TerokError } from '../core/index.ts';
import { readRecord } from '../core/resolve/index.ts';
import {
  type Approval,
  applyApproved,
  approve,
  clearMessage,
  listDecisions,
  type Review,
  rejectTask,
  reviewTask,
  taskDiff,
  taskRefs,
  taskRepository,
} from '../projects/git/index.ts';
import { markApplied, repairLanded, takeStatements } from './after-landing.ts';
import type { ApplyReport } from './api.ts';
import type { TaskContext } from './context.ts';
import { taskPolicy } from './egress-policy.ts';
import { gateOf } from './repository.ts';
import type { ApplyWish, ReviewChoice, ReviewReport, Reviews } from './reviews-api.ts';
import type { TaskRecord } from './task-record.ts';

/** Shorter beginnings of a digest would be guessed or mistaken. */
const MIN_DIGEST_LENGTH = 12;

export function createReviews(context: TaskContext, findTask: (slug: string) => Promise<TaskRecord>): Reviews {
  return {
    open: async (slug, choice = {}) => await openReview(context, await findTask(slug), choice),
    diff: async (slug, choice = {}) => {
      const task = await findTask(slug);
      return await taskDiff(gateOf(task), task.slug, choice);
    },
    approve: async (slug, digest, choice = {}) => {
      const task = await findTask(slug);
      const review = await openReview(context, task, choice);
      assertShown(review, digest);
      const approval = await approve(gateOf(task), review);
      await clearMessage(gateOf(task), task.slug, review.ref);
      return approval;
    },
    reject: async (slug, message, choice = {}) => {
      const task = await findTask(slug);
      return await rejectTask({ gate: gateOf(task), slug: task.slug, message, ...choice });
    },
  };
}

/** Takes approved work into the user's repository or directory. */
export async function applyWork(context: TaskContext, task: TaskRecord, choice: ApplyWish): Promise<ApplyReport> {
  const steps = choice.provenance === true ? [{ kind: 'statements' as const }] : [];
  if (steps.length > 0 && !task.project.isGit) throw new TerokError('USAGE', 'A directory without git carries no statements.');
  const { review, agreed } = await agreedReview(context, task, choice);
  const { result, approval } = await applyApproved({ gate: gateOf(task), review, agreed, steps }, task.project.source, async () => {
    const { bringLfsObjects } = await import('./bring-lfs-objects.ts');
    await bringLfsObjects(task, review);
  });
  await markApplied(context, task.slug);
  if (steps.length > 0) await takeStatements(context, task, approval);
  return {
    slug: task.slug,
    ...(result.kind === 'git' ? { branch: result.branch, mergeCommand: result.mergeCommand } : {}),
    commits: result.changes.commits,
    files: result.changes.files,
  };
}

/** The review as it is now, and whether the person agrees with it at this moment; throws REFUSED for the digest of another. */
export async function agreedReview(
  context: TaskContext,
  task: TaskRecord,
  choice: ReviewChoice & { readonly approve?: string },
): Promise<{ readonly review: ReviewReport; readonly agreed: boolean }> {
  const review = await openReview(context, task, choice);
  if (choice.approve !== undefined) assertShown(review, choice.approve);
  return { review, agreed: choice.approve !== undefined };
}

async function openReview(context: TaskContext, task: TaskRecord, { ref }: ReviewChoice): Promise<ReviewReport> {
  const gate = gateOf(task);
  for (const message of await repairLanded(context, task)) context.onRepair({ slug: task.slug, message });
  const policy = await policyOf(context, task);
  const review = await reviewTask({ gate, slug: task.slug, policy, ...(ref === undefined ? {} : { ref }) });
  const decisions = await listDecisions(gate, task.slug);
  return {
    ...review,
    approval: decisions.findLast((entry): entry is Approval => entry.kind === 'approval' && holds(entry, review)),
    decisions,
    furtherBranches: await furtherBranches(gate, review),
  };
}

async function furtherBranches(gate: string, { slug, ref }: Review): Promise<readonly string[]> {
  const refs = await taskRefs(taskRepository(gate, slug), slug);
  return [...refs.keys()].filter((other) => other !== ref).map((other) => renderUntrusted(other.slice('refs/heads/'.length)));
}

function holds(approval: Approval, review: Review): boolean {
  return approval.use === undefined && approval.review === review.digest && Date.parse(approval.expiresAt) > Date.now();
}

/** What the task ran under, without the tokens that change with every start. */
async function policyOf(context: TaskContext, { slug, image }: TaskRecord): Promise<unknown> {
  const record = await readRecord(context.paths, slug);
  if (record?.plan === undefined) return { image };
  return { image, egress: withoutPhantoms((await taskPolicy(context, slug)).policy) };
}

function withoutPhantoms(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, entry: unknown) => (key === 'phantom' ? undefined : entry)));
}

function assertShown(review: Review, digest: string): void {
  if (/^[0-9a-f]+$/.test(digest) && digest.length >= MIN_DIGEST_LENGTH && review.digest.startsWith(digest)) return;
  throw new TerokError('REFUSED', `The review of \`${review.slug}\` is ${review.digest.slice(0, 16)}, not \`${digest.slice(0, 64)}\`.`, {
    context: { slug: review.slug, digest: review.digest },
    hint: `The work changed since it was looked at, or the digest has less than ${MIN_DIGEST_LENGTH} digits: \`terok review ${review.slug}${refOption(review.slug, review.ref)}\`.`,
  });
}
