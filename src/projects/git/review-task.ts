/*
 * Scope: what a person is shown before a task's work goes anywhere, and the digest that an approval is bound to.
 * Out of scope: the decision. Fail-safe direction: everything is read from objects, by id; a branch that moves meanwhile changes
 * nothing of what is shown, and no longer fits the approval.
 */
import { digestOf, type ObjectFormat, refOption, renderUntrusted, settleAll, TerokError } from '../../core/index.ts';
import {
  BlobReader,
  type CountedChange,
  FILE_KINDS,
  type HiddenScan,
  readTreeChanges,
  scanDiff,
  type TrustSurface,
  trustSurfaceOf,
} from '../../review/index.ts';
import { gateFormat } from './gate.ts';
import { gitText } from './git.ts';
import { readCommits, streamGit, type TaskCommit, type TaskFile, type TaskRange, taskRange } from './task-changes.ts';

/** What an approval is bound to. */
export interface ReviewSubject {
  /** Full name of the ref in the gate */
  readonly ref: string;
  /** Commit that the work is based on */
  readonly old: string;
  /** Commit that is approved */
  readonly new: string;
  readonly tree: string;
  /** Digest of the policy that the task ran under, and of the rules of the review */
  readonly policy: string;
}

export interface Review extends ReviewSubject {
  readonly slug: string;
  /** SHA-256 of everything that is shown; 64 hexadecimal digits */
  readonly digest: string;
  readonly surface: TrustSurface;
  /** Characters in added lines that a person does not see */
  readonly hidden: HiddenScan;
  /** Newest first, at most 1 000 */
  readonly commits: readonly TaskCommit[];
  readonly commitCount: number;
  /** At most 10 000, without renames */
  readonly files: readonly TaskFile[];
  readonly fileCount: number;
  readonly insertions: number;
  readonly deletions: number;
}

export interface ReviewRequest {
  readonly gate: string;
  readonly slug: string;
  /** What the task ran under; any JSON */
  readonly policy: unknown;
  /** A branch of the task; its main one by default */
  readonly ref?: string;
}

const MAX_FILES = 10_000;

export async function reviewTask({ gate, slug, policy, ref }: ReviewRequest): Promise<Review> {
  const range = await taskRange(gate, slug, ref === undefined ? {} : { ref });
  const { repository, base, tip, from } = range;
  const [changes, hidden, tree, log] = await settleAll([
    readTreeChanges({ repository, from, to: tip }),
    scanHidden(range, gateFormat(gate)),
    gitText(repository, ['rev-parse', '--verify', '--end-of-options', `${tip}^{tree}`]),
    readCommits(range),
  ]);
  await using reader = new BlobReader(repository);
  const surface = await trustSurfaceOf(changes, reader.read);
  const subject: ReviewSubject = { ref: range.ref, old: base, new: tip, tree, policy: policyDigest(policy) };
  const shown = { slug, ...subject, surface, hidden, ...log, ...summarise(changes) };
  return { ...shown, digest: digestOf(shown) };
}

/** Throws REFUSED where the branch does not hold the reviewed commit any more. */
export async function assertUnmoved(gate: string, { slug, ref, new: tip }: Pick<Review, 'slug' | 'ref' | 'new'>): Promise<TaskRange> {
  const range = await taskRange(gate, slug, { ref });
  if (range.tip === tip) return range;
  throw new TerokError('REFUSED', `\`${ref}\` moved from ${tip.slice(0, 12)} to ${range.tip.slice(0, 12)} since it was approved.`, {
    context: { slug, ref },
    hint: `Look at it again: \`terok review ${slug}${refOption(slug, ref)}\`.`,
  });
}

/** Two reviews under one digest were made under one policy and with one catalogue. */
function policyDigest(policy: unknown): string {
  return digestOf({ policy, kinds: FILE_KINDS.map(({ id, pattern }) => [id, pattern.source]) });
}

async function scanHidden({ repository, from, tip }: TaskRange, format: ObjectFormat): Promise<HiddenScan> {
  return await scanDiff(streamGit(repository, ['-p', '-U0', '--no-renames', '--end-of-options', from, tip, '--'], format));
}

function summarise(changes: readonly CountedChange[]): Pick<Review, 'files' | 'fileCount' | 'insertions' | 'deletions'> {
  const sum = (field: 'insertions' | 'deletions'): number => changes.reduce((total, change) => total + (change[field] ?? 0), 0);
  return {
    files: changes.slice(0, MAX_FILES).map(toFile),
    fileCount: changes.length,
    insertions: sum('insertions'),
    deletions: sum('deletions'),
  };
}

function toFile({ path, oldMode, mode, insertions, deletions }: CountedChange): TaskFile {
  const change =
    oldMode === '000000' ? 'added' : mode === '000000' ? 'deleted' : oldMode.slice(0, 3) === mode.slice(0, 3) ? 'modified' : 'typeChanged';
  const counts = insertions === undefined || deletions === undefined ? {} : { insertions, deletions };
  return { path: renderUntrusted(path), change, ...counts };
}
