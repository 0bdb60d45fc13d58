/*
 * Scope: whether a push that the gate took goes to the upstream by itself, and its way there. Out of scope: pushes that a person approved.
 * Fail-safe direction: every rule must be met: the class of the project, the branch, a clean verdict about exactly this commit, an empty
 * trust surface of every commit, and an upstream that holds nothing else. Whatever is unknown waits for a person.
 */
import path from 'node:path';
import { isTerokError, messageOf } from '../core/index.ts';
import { changesOfCommits, lfsPointersOf, openTaskRepository, readBlob, readVerdict, resolveTask } from '../projects/git/index.ts';
import { trustSurfaceOf } from '../review/index.ts';
import { readUpstream, type Upstream } from '../upstream/index.ts';
import type { TaskContext } from './context.ts';
import { loadSettings } from './effective-settings.ts';
import { beginForward, recordForward } from './forward-record.ts';
import { openUpstream } from './open-upstream.ts';
import { readTask, type TaskRecord } from './task-record.ts';

const BRANCHES = 'refs/heads/';
/** Findings that are named to the one who pushed */
const NAMED = 5;

interface Candidate {
  readonly task: TaskRecord;
  readonly gate: string;
  readonly repository: string;
  readonly ref: string;
  readonly next: string;
}

/** Lines for the one who pushed, one for each branch. */
export async function forwardPush(context: TaskContext, slug: string, hookLines: string): Promise<readonly string[]> {
  const task = await readTask(context.paths, slug);
  if (task?.gate === undefined) return [];
  const { settings } = await loadSettings(context, task.project);
  if (settings.git.class !== 'online' || (await readUpstream(task.project.dataDir)) === undefined) return [];
  const repository = await openTaskRepository(task.gate, slug);
  const pushed = hookLines.split('\n').map((line) => line.split(' '));
  const lines: string[] = [];
  for (const [, next = '', ref = ''] of pushed) {
    if (!ref.startsWith(`${BRANCHES}terok/`)) continue;
    lines.push(await forward(context, { task, gate: task.gate, repository, ref, next }, settings.git.forward));
  }
  return lines;
}

async function forward(context: TaskContext, candidate: Candidate, globs: readonly string[]): Promise<string> {
  const branch = candidate.ref.slice(BRANCHES.length);
  const why = await reasonToWait(candidate, globs);
  if (why !== undefined) {
    await recordForward(candidate.gate, candidate.task.slug, {
      ref: candidate.ref,
      commit: candidate.next,
      outcome: 'waiting',
      reason: why,
    });
    return `${branch} waits for a person: ${why}.`;
  }
  try {
    const upstream = await openUpstream(context, candidate.task.project, candidate.task.slug);
    await beginForward(candidate.gate, candidate.task.slug, { ref: candidate.ref, commit: candidate.next });
    const held = await pushTo(upstream, candidate);
    const outcome = held === undefined ? ('forwarded' as const) : ('waiting' as const);
    await recordForward(candidate.gate, candidate.task.slug, {
      ref: candidate.ref,
      commit: candidate.next,
      outcome,
      ...(held === undefined ? {} : { reason: held }),
    });
    return held === undefined ? `${branch} was forwarded to ${upstream.host}.` : `${branch} waits for a person: ${held}.`;
  } catch (error) {
    await recordForward(candidate.gate, candidate.task.slug, {
      ref: candidate.ref,
      commit: candidate.next,
      outcome: 'failed',
      reason: messageOf(error),
    });
    return `${branch} is in the gate and was not forwarded: ${isTerokError(error) ? messageOf(error) : 'the host could not do it.'}`;
  }
}

/** Undefined where every rule is met. */
async function reasonToWait({ task, gate, repository, ref, next }: Candidate, globs: readonly string[]): Promise<string | undefined> {
  const branch = ref.slice(BRANCHES.length);
  if (/^0+$/.test(next)) return 'it was deleted';
  if (!globs.some((glob) => path.posix.matchesGlob(branch, glob))) return 'no pattern of `git.forward` names it';
  const verdict = await readVerdict(gate, task.slug, next);
  if (verdict === undefined) return 'its scan left no verdict';
  if (verdict.outcome !== 'clean') return `the scan holds it (${verdict.findings[0]?.path ?? ''} ${verdict.findings[0]?.what ?? ''})`;
  const base = await resolveTask(repository);
  if (base === undefined) return 'where it began is not known';
  const changes = await changesOfCommits(repository, base, next);
  if (changes === undefined) return 'it changes too much to be judged';
  if ((await lfsPointersOf(repository, next, base)).length > 0) return 'it brings files of Git LFS, whose objects git does not push';
  const { findings, omitted } = await trustSurfaceOf(changes, async (id) => await readBlob(repository, id));
  if (findings.length + omitted === 0) return undefined;
  const names = [...new Set(findings.map(({ path: where }) => where))];
  return `it changes what runs elsewhere (${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ', …' : ''})`;
}

/** Undefined when the upstream has the commit; otherwise why it does not. */
async function pushTo(upstream: Upstream, { repository, ref, next }: Candidate): Promise<string | undefined> {
  const { branches } = await upstream.branches(repository);
  const expected = branches.get(ref.slice(BRANCHES.length));
  if (expected === next) return undefined;
  if (expected !== undefined && !(await upstream.isForward(repository, expected, next))) return 'the upstream has another history of it';
  await upstream.push(repository, { ref, next, expected });
  return undefined;
}
