/*
 * Scope: the bare repositories of one project: a store with what was imported, and one small repository per task that borrows the
 * store's objects. Out of scope: who may write to them, see the git gate.
 * Fail-safe direction: a bottle is given its task's repository and no other, so what it cannot name it cannot read: with one
 * shared repository, any object could be fetched by its id.
 */
import { copyFile, lstat, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  BARE_REPOSITORY_CONFIG,
  ignoreCodes,
  isTaskBranch,
  makePrivateDir,
  type ObjectFormat,
  parseSlug,
  systemCodeOf,
  TerokError,
  withLock,
} from '../../core/index.ts';
import { git, gitText, resolveRevision } from './git.ts';

/** Directory below the project's data that holds its repositories; the name tells the object format, which a repository never changes. */
const GATE_NAMES: Readonly<Record<ObjectFormat, string>> = { sha1: 'gate', sha256: 'gate-sha256' };

/** A directory with a name like this was made by a call that is long dead, in `ms` */
const STALE_STAGING_MS = 60 * 60_000;

/**
 * Makes or repairs the gate of a project and returns its directory. Idempotent, safe under concurrency and after a crash.
 *
 * @param source The project's directory; its object format is the gate's. SHA-1 where absent or without git
 */
export async function ensureGate(projectDataDir: string, source?: string): Promise<string> {
  return await ensureGateFor(projectDataDir, source === undefined ? undefined : await readSource(source));
}

/** As `ensureGate`, for what is known of the directory already. */
export async function ensureGateFor(projectDataDir: string, state: SourceState | undefined): Promise<string> {
  const format = state?.format ?? 'sha1';
  const gate = path.join(projectDataDir, GATE_NAMES[format]);
  await makePrivateDir(path.join(gate, 'tasks'));
  await withLock(path.join(gate, 'store'), async () => {
    await sweepStaging(gate);
    await sweepStaging(path.join(gate, 'tasks'));
    for (const name of ['shallow.lock', 'packed-refs.lock']) await removeStaleLock(path.join(storeOf(gate), name));
    if (await isRepository(storeOf(gate))) return restoreConfig(storeOf(gate), format);
    const staged = await initBare(gate, format);
    await rename(staged, storeOf(gate));
  });
  return gate;
}

/** The directories that a project's gate may have, one for each object format. */
export function gatesOf(projectDataDir: string): string[] {
  return Object.values(GATE_NAMES).map((name) => path.join(projectDataDir, name));
}

/** The store of a gate: imported history, reachable from `refs/terok/import/<slug>/…`. No bottle sees it. */
export function storeOf(gate: string): string {
  return path.join(gate, 'store.git');
}

/** The repository of one task: `GatePlan.repository`. */
export function taskRepository(gate: string, slug: string): string {
  return path.join(gate, 'tasks', `${parseSlug(slug)}.git`);
}

/** Objects of Git LFS that a task pushed: `GatePlan.lfs`. */
export function taskLfsDir(gate: string, slug: string): string {
  return path.join(gate, 'lfs', parseSlug(slug));
}

export function taskRef(slug: string): string {
  return `refs/heads/${taskBranch(slug)}`;
}

function taskBranch(slug: string): string {
  return `terok/${parseSlug(slug)}`;
}

/** Full names of the branches that a task wrote → commit, sorted. */
export async function taskRefs(repository: string, slug: string): Promise<ReadonlyMap<string, string>> {
  const lines = await gitText(repository, ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads/terok/']);
  const pairs = lines.split('\n').map((line) => line.split(' ') as [string, string]);
  return new Map(pairs.filter(([ref]) => isTaskBranch(slug, ref.slice('refs/heads/'.length))));
}

/** The commit of a task's branch where git keeps it in a file of its own, which is read without starting git. */
export async function looseTip(gate: string, slug: string): Promise<string | undefined> {
  const text = await ignoreCodes(['ENOENT'], () => readFile(path.join(taskRepository(gate, slug), taskRef(slug)), 'utf8'));
  return text === undefined ? undefined : /^([0-9a-f]{40}|[0-9a-f]{64})\n$/.exec(text)?.[1];
}

/** Where a task's work began; in the task's repository. */
export const BASE_REF = 'refs/terok/base';
/** What was applied last to a directory without git. */
export const APPLIED_REF = 'refs/terok/applied';

export function gateFormat(gate: string): ObjectFormat {
  return path.basename(gate) === GATE_NAMES.sha256 ? 'sha256' : 'sha1';
}

/** True where the directory is the top of a git work tree. */
export async function isGitSource(source: string): Promise<boolean> {
  return (await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(path.join(source, '.git')))) !== undefined;
}

/** What git says of a repository of the user as a whole. */
export interface SourceState {
  readonly format: ObjectFormat;
  readonly shallow: boolean;
  /** Ref that is checked out, `HEAD` where it is none; undefined where there is no commit */
  readonly head: string | undefined;
}

/** Undefined for a directory without git. */
export async function readSource(source: string): Promise<SourceState | undefined> {
  if (!(await isGitSource(source))) return undefined;
  const facts = ['rev-parse', '--show-object-format', '--is-shallow-repository'];
  const asked = await git(source, [...facts, '--symbolic-full-name', 'HEAD'], { accept: [128] });
  // without a commit there is no HEAD to tell of; what else went wrong shows again
  const text = asked.exitCode === 0 ? asked.stdout.toString('utf8') : await gitText(source, facts);
  const [format, shallow, head] = text.split('\n');
  return {
    format: format === 'sha256' ? 'sha256' : 'sha1',
    shallow: shallow === 'true',
    head: asked.exitCode === 0 ? head : undefined,
  };
}

export interface TaskRepositoryContent {
  readonly slug: string;
  /** Name of the branch that the work is based on; visible to the bottle */
  readonly branch: string;
  readonly baseCommit: string;
  /** Further refs that the bottle sees → object id */
  readonly refs: Readonly<Record<string, string>>;
}

/** Makes the repository of a task whole or not at all; one that exists keeps its branch, and gets a new one where that was discarded. */
export async function ensureTaskRepository(gate: string, content: TaskRepositoryContent): Promise<string> {
  const repository = taskRepository(gate, content.slug);
  if (await isRepository(repository)) {
    await restoreConfig(repository, gateFormat(gate));
    if ((await resolveRevision(repository, taskRef(content.slug))) === undefined) {
      await copyShallow(gate, repository);
      await setTaskRefs(repository, content);
    }
    return repository;
  }
  const staged = await initBare(path.dirname(repository), gateFormat(gate));
  try {
    await writeFile(path.join(staged, 'objects/info/alternates'), '../../../store.git/objects\n');
    await copyShallow(gate, staged);
    await setTaskRefs(staged, content);
    await rename(staged, repository);
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    if (systemCodeOf(error) !== 'ENOTEMPTY' && systemCodeOf(error) !== 'EEXIST') throw error;
  }
  return repository;
}

/** The repository of a task that must exist, with its configuration restored. */
export async function openTaskRepository(gate: string, slug: string): Promise<string> {
  const repository = taskRepository(gate, slug);
  if (!(await isRepository(repository))) {
    throw new TerokError('NOT_FOUND', `The task \`${slug}\` has no repository in the gate.`, {
      context: { slug },
      hint: 'List the tasks with `terok list`.',
    });
  }
  await restoreConfig(repository, gateFormat(gate));
  return repository;
}

export interface ScratchRepository extends AsyncDisposable {
  readonly directory: string;
}

/** A repository for a moment that has all objects of a task; what is put into it, no bottle can ask for. One that a crash left goes later. */
export async function openScratchRepository(gate: string, slug: string): Promise<ScratchRepository> {
  const directory = await initBare(gate, gateFormat(gate));
  await writeFile(path.join(directory, 'objects/info/alternates'), `${path.join(taskRepository(gate, slug), 'objects')}\n`);
  await copyShallow(gate, directory);
  return { directory, [Symbol.asyncDispose]: async () => await rm(directory, { recursive: true, force: true }) };
}

/** One transaction: base, visible branches, the task's own branch. The bottle's clone checks HEAD out: its own branch. */
async function setTaskRefs(repository: string, { slug, baseCommit, refs }: TaskRepositoryContent): Promise<void> {
  const all = { ...refs, [BASE_REF]: baseCommit, [taskRef(slug)]: baseCommit };
  const lines = Object.entries(all).map(([ref, id]) => `update ${ref} ${id}\n`);
  await git(repository, ['update-ref', '--no-deref', '--stdin'], { input: `start\n${lines.join('')}prepare\ncommit\n` });
}

async function copyShallow(gate: string, repository: string): Promise<void> {
  await ignoreCodes(['ENOENT'], () => copyFile(path.join(storeOf(gate), 'shallow'), path.join(repository, 'shallow')));
}

/** What `git init --bare` makes of an empty template, which costs a program less this way. */
async function initBare(parent: string, format: ObjectFormat): Promise<string> {
  const staged = await mkdtemp(path.join(parent, '.new-'));
  try {
    await Promise.all(['objects/info', 'objects/pack', 'refs/heads', 'refs/tags'].map((dir) => makePrivateDir(path.join(staged, dir))));
    await writeFile(path.join(staged, 'config'), BARE_REPOSITORY_CONFIG[format]);
    await writeFile(path.join(staged, 'HEAD'), 'ref: refs/heads/main\n');
    return staged;
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  }
}

async function restoreConfig(repository: string, format: ObjectFormat): Promise<void> {
  const file = path.join(repository, 'config');
  const seen = await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'));
  if (seen === BARE_REPOSITORY_CONFIG[format]) return;
  const staged = `${file}.terok-${process.pid}`;
  await writeFile(staged, BARE_REPOSITORY_CONFIG[format], { mode: 0o600 });
  await rename(staged, file);
}

async function isRepository(repository: string): Promise<boolean> {
  return (await ignoreCodes(['ENOENT'], () => stat(path.join(repository, 'objects')))) !== undefined;
}

async function sweepStaging(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith('.new-') && !name.startsWith('.hooks-new-')) continue;
    const found = await ignoreCodes(['ENOENT'], () => stat(path.join(dir, name)));
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_STAGING_MS)
      await rm(path.join(dir, name), { recursive: true, force: true });
  }
}

async function removeStaleLock(file: string): Promise<void> {
  const found = await ignoreCodes(['ENOENT'], () => stat(file));
  if (found !== undefined && Date.now() - found.mtimeMs > STALE_STAGING_MS) await rm(file, { force: true });
}

/** The base of a task that has a branch. */
export async function knownBase(gate: string, slug: string): Promise<string | undefined> {
  const repository = taskRepository(gate, slug);
  if (!(await isRepository(repository)) || (await resolveRevision(repository, taskRef(slug))) === undefined) return undefined;
  return await resolveRevision(repository, BASE_REF);
}
