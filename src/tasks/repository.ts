/** The task layer's side of git: what goes into the gate before a task, and what comes out after it. */
import { type Bottle, isTaskBranch, messageOf, renderUntrusted, TerokError } from '../core/index.ts';
import {
  type BottleCommand,
  cloneCommands,
  discardTask,
  ensureGateFor,
  importDirectory,
  importSource,
  looseTip,
  pruneDiscarded,
  readSource,
  type SourceState,
  salvageCommand,
  taskChanges,
  taskDiff,
} from '../projects/git/index.ts';
import type { Project } from '../projects/index.ts';
import type { ChangedFile, CommitSummary } from './api.ts';
import type { TaskRecord } from './task-record.ts';

export interface ImportedSource {
  /** Directory of the project's gate */
  readonly gate: string;
  /** The task's own bare repository */
  readonly repository: string;
  readonly writableRef: string;
  readonly branch: string;
  readonly baseCommit: string;
  readonly notes: readonly string[];
}

export interface OpenGate {
  readonly dir: string;
  /** Absent for a directory without git */
  readonly state?: SourceState;
}

/** Makes the project's gate where there is none. */
export async function openGate(project: Project): Promise<OpenGate> {
  const state = await readSource(project.source);
  return { dir: await ensureGateFor(project.dataDir, state), ...(state === undefined ? {} : { state }) };
}

/** Copies what is checked out, or a snapshot of a directory without git, into a repository for this task. */
export async function importProject(project: Project, slug: string, { dir, state }: OpenGate): Promise<ImportedSource> {
  const request = { gate: dir, source: project.source, slug, ...(state === undefined ? {} : { state }) };
  const result = await importSource(request);
  return { gate: dir, ...(result.kind === 'git' ? result : await importDirectory(request)) };
}

export interface CloneRequest {
  readonly slug: string;
  readonly directoryName: string;
  readonly identity: { readonly name: string; readonly email: string };
  readonly signal?: AbortSignal;
}

const CLONE_TIMEOUT_MS = 30 * 60_000;
const SALVAGE_TIMEOUT_MS = 5 * 60_000;

export async function cloneInto(bottle: Bottle, request: CloneRequest): Promise<void> {
  const cancel = request.signal === undefined ? {} : { signal: request.signal };
  for (const command of cloneCommands(request)) await runCommand(bottle, command, { timeoutMs: CLONE_TIMEOUT_MS, ...cancel });
}

/**
 * Commits what the agent left uncommitted and pushes all of it; throws where work would be lost. Gives the branches that were made of commits
 * beside the task's own branch.
 */
export async function salvage(bottle: Bottle, { slug, project, gate }: TaskRecord): Promise<readonly string[]> {
  const tip = gate === undefined ? undefined : await looseTip(gate, slug);
  const said = await runCommand(bottle, salvageCommand({ slug, directoryName: project.name, tip }), { timeoutMs: SALVAGE_TIMEOUT_MS });
  const kept = said.split('\n').flatMap((line) => /^kept (terok\/[\w.-]{1,200})$/.exec(line)?.[1] ?? []);
  return [...new Set(kept)].filter((branch) => isTaskBranch(slug, branch));
}

/** Gives what it printed. */
async function runCommand(
  bottle: Bottle,
  command: BottleCommand,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<string> {
  const { status, stdout, stderr } = await bottle.exec(command.argv, options);
  if (status.kind === 'exited' && status.code === 0) return stdout.toString('utf8');
  const meaning = status.kind === 'exited' ? command.failures?.[status.code] : undefined;
  const how = status.kind === 'exited' ? `ended with ${status.code}` : status.kind;
  const said = renderUntrusted(stderr.toString('utf8').trim().split('\n').slice(-3).join(' ').slice(0, 500));
  throw new TerokError(
    'GIT_FAILED',
    `${meaning ?? `\`${command.argv.slice(0, 2).join(' ')}\` in the bottle ${how}`}${said === '' ? '' : `: ${said}`}`,
    { context: { slug: bottle.id } },
  );
}

/** What a task has committed; nothing where its branch is gone. Git is not asked about a branch that is where it began. */
export async function readChanges(
  task: Pick<TaskRecord, 'gate' | 'slug' | 'base'>,
): Promise<{ readonly commits: readonly CommitSummary[]; readonly files: readonly ChangedFile[] }> {
  if (task.gate === undefined) return { commits: [], files: [] };
  if (task.base !== undefined && (await looseTip(task.gate, task.slug)) === task.base.commit) return { commits: [], files: [] };
  try {
    const { commits, files } = await taskChanges(task.gate, task.slug);
    return { commits, files };
  } catch (error) {
    if (error instanceof TerokError && error.code === 'NOT_FOUND') return { commits: [], files: [] };
    throw error;
  }
}

export async function diffWork(task: TaskRecord): Promise<AsyncIterable<Buffer>> {
  return await taskDiff(gateOf(task), task.slug);
}

/** Deletes the task's branches; their tips stay in the gate for 30 days. Gives the commands that bring them back. */
export async function discardWork(task: TaskRecord): Promise<readonly (readonly string[])[]> {
  if (task.gate === undefined) return [];
  try {
    const { restoreCommands } = await discardTask(task.gate, task.slug);
    await pruneDiscarded(task.gate);
    return restoreCommands;
  } catch (error) {
    if (error instanceof TerokError && error.code === 'NOT_FOUND') return [];
    throw new TerokError('GIT_FAILED', `The work of \`${task.slug}\` could not be discarded: ${messageOf(error)}`, { cause: error });
  }
}

/** Directory of the gate that holds the work of a task; throws NOT_FOUND where it has none. */
export function gateOf({ gate, slug }: TaskRecord): string {
  if (gate !== undefined) return gate;
  throw new TerokError('NOT_FOUND', `The task \`${slug}\` has nothing in the gate.`, { hint: `Remove it with \`terok rm ${slug}\`.` });
}
