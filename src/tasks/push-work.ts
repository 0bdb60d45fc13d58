/*
 * Scope: takes approved work to the upstream, and opens a pull request there. Out of scope: `online` projects, whose pushes go by themselves.
 * Fail-safe direction: the commit of the review goes by its id, onto a branch that holds what was looked at; other history is left alone.
 */
import { isTerokError, TerokError } from '../core/index.ts';
import { openTaskRepository, type ReadTip, type UseStep, underApproval } from '../projects/git/index.ts';
import { readUpstream } from '../upstream/index.ts';
import { takeRequest, takeStatements } from './after-landing.ts';
import type { TaskContext } from './context.ts';
import { openUpstream } from './open-upstream.ts';
import { lfsObjectsFor, pushLfsObjects } from './push-lfs-objects.ts';
import { readUpstreamTip } from './read-tip.ts';
import { gateOf } from './repository.ts';
import { agreedReview } from './reviews.ts';
import type { PushReport, PushWish, ReviewReport } from './reviews-api.ts';
import type { TaskRecord } from './task-record.ts';

/** Commits that the text of a pull request names */
const MAX_NAMED = 50;

export async function pushWork(context: TaskContext, task: TaskRecord, wish: PushWish): Promise<PushReport> {
  const { review, agreed } = await agreedReview(context, task, wish);
  const branch = wish.branch ?? review.ref.slice('refs/heads/'.length);
  const repository = await openTaskRepository(gateOf(task), task.slug);
  const upstream = await openUpstream(context, task.project);
  const objects = await lfsObjectsFor(upstream, repository, review.new);
  const step = await requestStep(task, { review, branch, title: wish.title });
  const steps = [...(wish.provenance === true ? [{ kind: 'statements' as const }] : []), ...(step === undefined ? [] : [step])];
  const target = { kind: 'upstream', name: upstream.url, ref: `refs/heads/${branch}` } as const;
  const readTip: ReadTip = async (asked) => await readUpstreamTip(upstream, repository, asked);
  const approval = await underApproval({ gate: gateOf(task), review, agreed, target, readTip, steps }, async (expected) => {
    if (expected === review.new) return;
    if (expected !== undefined && !(await upstream.isForward(repository, expected, review.new))) {
      throw new TerokError('REFUSED', `The branch \`${branch}\` of the upstream holds commits that the task does not.`, {
        hint: 'Push to another one with `--branch NAME`.',
      });
    }
    await pushLfsObjects(upstream, task, objects);
    await upstream.push(repository, { ref: target.ref, next: review.new, expected });
  });
  const statements = wish.provenance === true ? await attempt(async () => await takeStatements(context, task, approval)) : {};
  const { problem: provenanceProblem } = statements;
  const request =
    step === undefined ? {} : await attempt(async () => ({ pullRequest: await takeRequest(context, task, { approval, step }) }));
  return {
    slug: task.slug,
    host: upstream.host,
    branch,
    commit: review.new,
    ...(provenanceProblem === undefined ? {} : { provenanceProblem }),
    ...request,
  };
}

/** What goes wrong after the work arrived does not take the push back. */
async function attempt<T extends object>(work: () => Promise<T | void>): Promise<(T | object) & { readonly problem?: string }> {
  try {
    return (await work()) ?? {};
  } catch (error) {
    if (!isTerokError(error)) throw error;
    return { problem: error.message };
  }
}

interface Pushed {
  readonly review: ReviewReport;
  readonly branch: string;
  readonly title: string | undefined;
}

/** The pull request that is to be opened; none where the project names no forge. */
async function requestStep(
  task: TaskRecord,
  { review, branch, title }: Pushed,
): Promise<Extract<UseStep, { kind: 'request' }> | undefined> {
  const base = task.base?.branch;
  if ((await readUpstream(task.project.dataDir))?.forge === undefined || base === undefined || base === branch) return undefined;
  return { kind: 'request', head: branch, base, title: title ?? review.commits.at(-1)?.subject ?? branch, body: bodyOf(review) };
}

function bodyOf({ commits, commitCount, surface, digest }: ReviewReport): string {
  const listed = commits.slice(0, MAX_NAMED).map(({ id, subject }) => `- ${id.slice(0, 10)} ${subject}`);
  const more = commitCount > listed.length ? [`- … and ${commitCount - listed.length} more`] : [];
  const runs = surface.findings.slice(0, MAX_NAMED).map(({ path, why }) => `- \`${path}\`: ${why}`);
  return [...listed, ...more, ...(runs.length === 0 ? [] : ['', 'Makes something run:', ...runs]), '', `Reviewed as ${digest}.`].join('\n');
}
