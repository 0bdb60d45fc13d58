/*
 * Scope: tells the agent why its work was not taken: as a note that it can fetch, and as text that its next push prints.
 * Out of scope: the work, which stays. Fail-safe direction: the text is one safe line for each line that the person wrote.
 */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { digestOf, makePrivateDir, renderUntrusted, TerokError } from '../../core/index.ts';
import { reject } from './approvals.ts';
import type { Rejection } from './decisions.ts';
import { taskRef, taskRepository } from './gate.ts';
import { git } from './git.ts';
import { taskRange } from './task-changes.ts';

export interface RejectRequest {
  readonly gate: string;
  readonly slug: string;
  readonly message: string;
  /** A branch of the task; its main one by default */
  readonly ref?: string;
}

/** Notes that the bottle may read: `git fetch origin refs/notes/review:refs/notes/review`. */
export const REVIEW_NOTES = 'refs/notes/review';
/** In the task's repository, a file for each branch; the gate's hook prints them with the next push and removes them. */
const MESSAGES_DIR = 'terok-messages';
const MAX_MESSAGE_LENGTH = 10_000;

/** Records the rejection and leaves the message for the agent. */
export async function rejectTask({ gate, slug, message, ref: wanted }: RejectRequest): Promise<Rejection> {
  const text = message
    .split(/\r?\n/)
    .map((line) => renderUntrusted(line.replaceAll('\t', ' ')).trimEnd())
    .join('\n')
    .trim();
  if (text === '' || text.length > MAX_MESSAGE_LENGTH)
    throw new TerokError('USAGE', `A message to the agent has 1 to ${MAX_MESSAGE_LENGTH} characters; got ${text.length}.`);
  const { repository, ref, tip } = await taskRange(gate, slug, wanted === undefined ? {} : { ref: wanted });
  const rejection = await reject(gate, slug, { ref, new: tip, message: text });
  await git(repository, ['notes', `--ref=${REVIEW_NOTES}`, 'add', '--force', '--file=-', tip], { input: `Not taken: ${text}\n` });
  const file = messageFile(repository, ref);
  const name = ref === taskRef(slug) ? '' : `${renderUntrusted(ref.slice('refs/heads/'.length))} at `;
  await makePrivateDir(path.dirname(file));
  await writeFile(file, `${name}${tip.slice(0, 12)} was not taken: ${text}\n`, { mode: 0o600 });
  return rejection;
}

/** Takes back what the next push would have printed about a branch. */
export async function clearMessage(gate: string, slug: string, ref: string): Promise<void> {
  await rm(messageFile(taskRepository(gate, slug), ref), { force: true });
}

/** Named by a digest: the name of a branch may be longer than that of a file. */
function messageFile(repository: string, ref: string): string {
  return path.join(repository, MESSAGES_DIR, digestOf(ref));
}
