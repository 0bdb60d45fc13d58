/*
 * Scope: copies what a task works on out of the user's repository. Out of scope: the way back, see `apply-task.ts`.
 * Fail-safe direction: the user's repository is only read, by `git upload-pack`, which runs no hook and no filter; only the branch
 * that is checked out and the default branch are copied, so what other branches hold does not reach the bottle.
 */
import { lstat, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, isTaskBranch, type ObjectFormat, renderUntrusted, settleAll, TerokError } from '../../core/index.ts';
import { ensureTaskRepository, gateFormat, knownBase, readSource, type SourceState, storeOf, taskRef } from './gate.ts';
import { git, gitText, resolveRevision } from './git.ts';
import { describeLosses, dirtyNote } from './import-notes.ts';

export interface ImportRequest {
  /** Directory of the gate, from `ensureGate` */
  readonly gate: string;
  /** Absolute path of the user's directory */
  readonly source: string;
  readonly slug: string;
  /** Further branches of the user's repository that the bottle may see */
  readonly branches?: readonly string[];
  /** What `readSource` said of the directory, where that was asked before */
  readonly state?: SourceState;
  readonly signal?: AbortSignal;
}

export interface ImportedRepository {
  readonly kind: 'git';
  /** The task's own bare repository: `GatePlan.repository` */
  readonly repository: string;
  /** `GatePlan.writableRef` */
  readonly writableRef: string;
  /** Branch that the work is based on */
  readonly branch: string;
  readonly baseCommit: string;
  readonly objectFormat: ObjectFormat;
  /** What a person should know about the copy */
  readonly notes: readonly string[];
}

export type ImportResult = ImportedRepository | { readonly kind: 'directory' };

/** As one shell word list: git hands it to a shell, so it is constant. */
const UPLOAD_PACK =
  'git -c core.fsmonitor= -c core.hooksPath=/dev/null -c core.alternateRefsCommand=true -c protocol.allow=never upload-pack';

/** Copies the user's HEAD for a task. A task that was imported before keeps its base, so that a start can be repeated. */
export async function importSource(request: ImportRequest): Promise<ImportResult> {
  const { gate, source, slug } = request;
  const [facts, known] = await settleAll([request.state ?? readSource(source), knownBase(gate, slug)]);
  if (facts === undefined) return { kind: 'directory' };
  assertSameFormat(gate, source, facts);
  if (facts.head === undefined) throw await noCommit(source);
  const branch = branchName(facts.head, slug);
  const dirty = dirtyNote(source, facts.format);
  if (known === undefined) {
    const wanted = await refsToCopy(source, { branch, further: request.branches ?? [], slug });
    await fetchIntoStore(request, wanted, facts);
  }
  const refs = await visibleRefs(gate, slug);
  const baseCommit = known ?? importedCommit(refs, branch);
  const repository = await ensureTaskRepository(gate, { slug, branch, baseCommit, refs });
  const notes = await describeLosses({ store: storeOf(gate), commit: baseCommit, shallow: facts.shallow, dirty: await dirty });
  return { kind: 'git', repository, writableRef: taskRef(slug), branch, baseCommit, objectFormat: gateFormat(gate), notes };
}

function importPrefix(slug: string): string {
  return `refs/terok/import/${slug}/`;
}

function assertSameFormat(gate: string, source: string, { format }: SourceState): void {
  if (format === gateFormat(gate)) return;
  throw new TerokError('GIT_FAILED', `The repository \`${source}\` uses ${format}, its gate ${gateFormat(gate)}.`, {
    hint: 'Make the gate with `ensureGate(projectDataDir, source)`.',
  });
}

async function noCommit(source: string): Promise<TerokError> {
  const reason = await gitText(source, ['rev-parse', '--git-dir']).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (reason instanceof TerokError) return reason;
  const branch = (await gitText(source, ['symbolic-ref', '--quiet', '--short', 'HEAD'], { accept: [1] })) || 'HEAD';
  if ((await gitText(source, ['for-each-ref', '--count=1', 'refs/heads/'])) !== '')
    return new TerokError(
      'REFUSED',
      `The branch \`${renderUntrusted(branch)}\` of \`${source}\` has no commit yet, so there is nothing to clone.`,
      {
        context: { source, branch },
        hint: 'Commit on it first, or go to a branch with commits: `git switch BRANCH`.',
      },
    );
  return new TerokError('REFUSED', `The repository \`${source}\` has no commit, so there is nothing to clone.`, {
    context: { source },
    hint: 'Commit first (`git add -A && git commit`), or remove `.git` to work on it as a plain directory.',
  });
}

/** The branch that is checked out; a name of our own where HEAD is detached or the name would collide with the task's branch. */
function branchName(ref: string, slug: string): string {
  const name = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : 'detached-head';
  return collides(name, slug) ? 'terok-base' : name;
}

function collides(branch: string, slug: string): boolean {
  return branch === 'terok' || branch.startsWith(`terok/${slug}/`) || isTaskBranch(slug, branch);
}

/** Ref of the user's repository → branch that the bottle sees. */
async function refsToCopy(
  source: string,
  wanted: { branch: string; further: readonly string[]; slug: string },
): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for (const branch of [await defaultBranch(source), ...wanted.further]) {
    if (branch === undefined || collides(branch, wanted.slug) || conflicts(branch, [wanted.branch, ...refs.values()])) continue;
    if ((await resolveRevision(source, `refs/heads/${branch}^{commit}`)) !== undefined) refs.set(`refs/heads/${branch}`, branch);
  }
  refs.set('HEAD', wanted.branch);
  return refs;
}

/** Two branches of which one is a directory of the other cannot both exist. */
function conflicts(branch: string, others: readonly string[]): boolean {
  return others.some((other) => other === branch || other.startsWith(`${branch}/`) || branch.startsWith(`${other}/`));
}

async function defaultBranch(source: string): Promise<string | undefined> {
  const prefix = 'refs/remotes/origin/';
  const candidates = [`${prefix}HEAD`, 'refs/heads/main', 'refs/heads/master'];
  const lines = (await gitText(source, ['for-each-ref', '--format=%(refname) %(symref)', ...candidates])).split('\n');
  const targets = new Map(lines.map((line) => line.split(' ') as [string, string]));
  const ref = targets.get(`${prefix}HEAD`) ?? '';
  if (ref.startsWith(prefix)) return ref.slice(prefix.length);
  return ['main', 'master'].find((branch) => targets.has(`refs/heads/${branch}`));
}

async function fetchIntoStore(
  { gate, source, slug, signal }: ImportRequest,
  refs: Map<string, string>,
  { shallow }: SourceState,
): Promise<void> {
  const store = storeOf(gate);
  const shallowStore = (await ignoreCodes(['ENOENT'], () => lstat(path.join(store, 'shallow')))) !== undefined;
  const args = [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-recurse-submodules',
    '--no-auto-maintenance',
    '--force',
    `--upload-pack=${UPLOAD_PACK}`,
  ];
  const depth = shallow ? ['--update-shallow'] : shallowStore ? ['--unshallow'] : [];
  const refspecs = [...refs].map(([ref, branch]) => `+${ref}:${importPrefix(slug)}${branch}`);
  // What the user's own repository holds is taken as it is; old histories often break a rule of fsck
  const settings = { 'fetch.fsckObjects': 'false', 'transfer.fsckObjects': 'false' };
  await dropImport(gate, slug);
  await git(store, [...args, '--atomic', ...depth, '--', source, ...refspecs], { settings, ...(signal === undefined ? {} : { signal }) });
}

/** Refs of an import that did not get as far as a task. */
async function dropImport(gate: string, slug: string): Promise<void> {
  if (!(await mayHaveImport(gate, slug))) return;
  const refs = Object.keys(await visibleRefs(gate, slug)).map((ref) => importPrefix(slug) + ref.slice('refs/heads/'.length));
  if (refs.length > 0) await git(storeOf(gate), ['update-ref', '--stdin'], { input: refs.map((ref) => `delete ${ref}\n`).join('') });
}

/** Looks where git keeps refs, without starting it. */
async function mayHaveImport(gate: string, slug: string): Promise<boolean> {
  const [loose, packed] = await Promise.all([
    ignoreCodes(['ENOENT'], () => lstat(path.join(storeOf(gate), importPrefix(slug)))),
    ignoreCodes(['ENOENT'], () => readFile(path.join(storeOf(gate), 'packed-refs'), 'utf8')),
  ]);
  return loose !== undefined || packed?.includes(importPrefix(slug)) === true;
}

function importedCommit(refs: Readonly<Record<string, string>>, branch: string): string {
  const id = refs[`refs/heads/${branch}`];
  if (id !== undefined) return id;
  throw new TerokError('GIT_FAILED', `The branch \`${branch}\` did not arrive in the gate.`, { hint: 'Run the command again.' });
}

async function visibleRefs(gate: string, slug: string): Promise<Record<string, string>> {
  const prefix = importPrefix(slug);
  const lines = await gitText(storeOf(gate), ['for-each-ref', '--format=%(objectname) %(refname)', prefix]);
  const pairs = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ') as [string, string]);
  return Object.fromEntries(pairs.map(([id, ref]) => [`refs/heads/${ref.slice(prefix.length)}`, id]));
}
