/*
 * Scope: what a task has done, read from its bare repository by plumbing. Out of scope: whether it is any good.
 * Fail-safe direction: no external diff, no text conversion, no attributes; everything that a person sees is one safe line.
 */
import { spawn } from 'node:child_process';
import { hostGitEnvironment, isTaskBranch, type ObjectFormat, renderUntrusted, settleAll, splitNul, TerokError } from '../../core/index.ts';
import { BASE_REF, gateFormat, openTaskRepository, taskRef } from './gate.ts';
import { git, gitText, resolveRevision } from './git.ts';

export interface TaskCommit {
  /** Object id */
  readonly id: string;
  readonly subject: string;
  readonly author: string;
}

export interface TaskFile {
  /** Safe to print; not a path to act on */
  readonly path: string;
  readonly change: 'added' | 'modified' | 'deleted' | 'renamed' | 'typeChanged';
  /** Absent for a binary file */
  readonly insertions?: number;
  readonly deletions?: number;
}

export interface TaskChanges {
  readonly base: string;
  /** Equals `base` where the task has committed nothing */
  readonly tip: string;
  /** Newest first, at most 1 000 */
  readonly commits: readonly TaskCommit[];
  /** At most 10 000 */
  readonly files: readonly TaskFile[];
  readonly commitCount: number;
  readonly fileCount: number;
}

const HEADS = 'refs/heads/';
const MAX_COMMITS = 1_000;
const MAX_FILES = 10_000;
const CHANGES: Readonly<Record<string, TaskFile['change']>> = { A: 'added', M: 'modified', D: 'deleted', R: 'renamed', T: 'typeChanged' };
const DIFF_OPTIONS = ['--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=none'] as const;
const EMPTY_TREE = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321',
} as const;

/** Commits and files of a task; throws NOT_FOUND where the gate does not know it. */
export async function taskChanges(gate: string, slug: string, options: RangeOptions = {}): Promise<TaskChanges> {
  const range = await taskRange(gate, slug, options);
  const { repository, base, tip, from } = range;
  if (tip === base) return { base, tip, commits: [], files: [], commitCount: 0, fileCount: 0 };
  const [log, files] = await settleAll([readCommits(range), changedFiles(repository, from, tip)]);
  return { base, tip, ...log, files: files.slice(0, MAX_FILES), fileCount: files.length };
}

/** The commits of a task, and how many there are. */
export async function readCommits({
  repository,
  base,
  tip,
}: Pick<TaskRange, 'repository' | 'base' | 'tip'>): Promise<Pick<TaskChanges, 'commits' | 'commitCount'>> {
  const revisions = ['--end-of-options', tip, `^${base}`, '--'];
  const [count, log] = await settleAll([
    gitText(repository, ['rev-list', '--count', ...revisions]),
    git(repository, ['rev-list', `--max-count=${MAX_COMMITS}`, '--no-commit-header', '--format=%H%x00%s%x00%an%x00', ...revisions]),
  ]);
  return { commits: parseCommits(log.stdout), commitCount: Number(count) };
}

/** A unified diff with binary patches that `git apply` takes; untrusted bytes. Ends git when the reader stops. */
export async function taskDiff(gate: string, slug: string, options: RangeOptions = {}): Promise<AsyncIterable<Buffer>> {
  const { repository, from, tip } = await taskRange(gate, slug, options);
  return streamGit(repository, ['-p', '--binary', '-M', from, tip, '--'], gateFormat(gate));
}

export interface TaskRange {
  readonly repository: string;
  /** The branch of the task */
  readonly ref: string;
  readonly base: string;
  readonly tip: string;
  /** Tree-ish that the diff starts from: where base and tip part, or the empty tree */
  readonly from: string;
}

export interface RangeOptions {
  /** Full name of a branch of the task; its main one by default */
  readonly ref?: string;
  /** The commit in the place of what the branch says */
  readonly at?: string;
}

export async function taskRange(gate: string, slug: string, options: RangeOptions = {}): Promise<TaskRange> {
  const ref = ownRef(slug, options.ref);
  const repository = await openTaskRepository(gate, slug);
  const [base, tip] = await Promise.all([
    resolveRevision(repository, BASE_REF),
    resolveRevision(repository, `${options.at ?? ref}^{commit}`),
  ]);
  if (base === undefined)
    throw new TerokError('STATE_CORRUPT', `The gate does not know where the task \`${slug}\` began.`, { context: { slug } });
  if (tip === undefined) {
    throw new TerokError('NOT_FOUND', `The task \`${slug}\` has no branch in the gate: it was discarded, or the agent deleted it.`, {
      context: { slug },
      hint: `Earlier states: \`git -C ${repository} for-each-ref refs/terok/backup\`.`,
    });
  }
  const from = base === tip ? base : await gitText(repository, ['merge-base', base, tip], { accept: [1] });
  return { repository, ref, base, tip, from: from === '' ? EMPTY_TREE[gateFormat(gate)] : from };
}

/** Full name of a branch that the task may write; throws REFUSED for any other. */
function ownRef(slug: string, wanted: string = taskRef(slug)): string {
  const ref = wanted.startsWith('refs/') ? wanted : `refs/heads/${wanted}`;
  if (ref.startsWith(HEADS) && isTaskBranch(slug, ref.slice(HEADS.length))) return ref;
  throw new TerokError(
    'REFUSED',
    `\`${renderUntrusted(ref)}\` is no branch of the task \`${slug}\`, which are \`${taskRef(slug)}\` and \`${taskRef(slug)}.NAME\`.`,
  );
}

async function changedFiles(repository: string, from: string, tip: string): Promise<TaskFile[]> {
  const options = ['-r', '-M', '-z', ...DIFF_OPTIONS];
  const [raw, numstat] = await Promise.all([
    git(repository, ['diff-tree', ...options, '--raw', from, tip, '--']),
    git(repository, ['diff-tree', ...options, '--numstat', from, tip, '--']),
  ]);
  const lines = parseNumstat(splitNul(numstat.stdout));
  return parseRaw(splitNul(raw.stdout)).map(({ status, path }, index) => ({
    path: renderUntrusted(path),
    change: CHANGES[status] ?? 'modified',
    ...lines[index],
  }));
}

/** `:<mode> <mode> <id> <id> <status>` then the path; for a rename the old and the new one. */
export function parseRaw(parts: readonly Buffer[]): { status: string; path: Buffer }[] {
  const files: { status: string; path: Buffer }[] = [];
  for (let at = 0; at + 1 < parts.length; ) {
    const status = parts[at]?.toString('latin1').split(' ')[4]?.[0] ?? '';
    const width = status === 'R' || status === 'C' ? 3 : 2;
    files.push({ status, path: parts[at + width - 1] ?? Buffer.alloc(0) });
    at += width;
  }
  return files;
}

/** `<insertions>\t<deletions>\t<path>`; for a rename the path is empty and two paths follow. */
function parseNumstat(parts: readonly Buffer[]): { insertions?: number; deletions?: number }[] {
  const files: { insertions?: number; deletions?: number }[] = [];
  for (let at = 0; at < parts.length; ) {
    const [insertions = '-', deletions = '-', path = ''] = (parts[at] ?? Buffer.alloc(0)).toString('latin1').split('\t');
    files.push(insertions === '-' ? {} : { insertions: Number(insertions), deletions: Number(deletions) });
    at += path === '' ? 3 : 1;
  }
  return files;
}

function parseCommits(output: Buffer): TaskCommit[] {
  const parts = splitNul(output);
  const commits: TaskCommit[] = [];
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [id, subject, author] = [parts[at], parts[at + 1], parts[at + 2]].map((part) => renderUntrusted(part ?? ''));
    commits.push({ id: (id ?? '').replace(/^\\u\{a\}/, ''), subject: subject ?? '', author: author ?? '' });
  }
  return commits;
}

/** The output of `git diff-tree` as it comes; attributes of the trees count for nothing. */
export async function* streamGit(repository: string, args: readonly string[], format: ObjectFormat): AsyncGenerator<Buffer> {
  const env = { ...hostGitEnvironment(), GIT_ATTR_SOURCE: EMPTY_TREE[format] };
  const argv = ['-C', repository, 'diff-tree', '-r', '--full-index', ...DIFF_OPTIONS, ...args];
  const child = spawn('git', argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-4_096);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined);
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const code = await ended;
    if (code !== 0) throw new TerokError('GIT_FAILED', `\`git diff-tree\` ended with ${code}: ${stderr.trim()}`);
  } finally {
    child.kill('SIGKILL');
  }
}
