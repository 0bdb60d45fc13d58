/*
 * Scope: brings a task's commits into the user's repository as a branch. Out of scope: merging, which the user does.
 * Fail-safe direction: one ref is created or fast-forwarded; the index, the work tree, HEAD and the configuration stay; no hook runs.
 */
import { TerokError } from '../../core/index.ts';
import { applyDirectory } from './apply-directory.ts';
import { isGitSource, taskRef } from './gate.ts';
import { git, resolveRevision } from './git.ts';
import { type TaskChanges, taskChanges, taskRange } from './task-changes.ts';

export interface ApplyInputs {
  readonly gate: string;
  readonly slug: string;
  /** Absolute path of the user's repository or directory */
  readonly source: string;
  /** Full name of the branch of the task, and of the user's; the task's main one by default */
  readonly ref?: string;
  /** The commit that was approved; nothing else is taken, whatever the branch says */
  readonly tip: string;
}

export type ApplyResult =
  | { readonly kind: 'git'; readonly branch: string; readonly mergeCommand: readonly string[]; readonly changes: TaskChanges }
  | { readonly kind: 'directory'; readonly changes: TaskChanges };

/** Idempotent. Throws REFUSED where the user's branch or files have changed in another way. */
export async function applyTask({ gate, slug, source, tip, ref = taskRef(slug) }: ApplyInputs): Promise<void> {
  const range = await taskRange(gate, slug, { ref, at: tip });
  if (await isGitSource(source)) await fetchBranch({ ref, source, repository: range.repository, tip });
  else await applyDirectory({ source, slug, range });
}

/** What `applyTask` brings. */
export async function describeApply({ gate, slug, source, tip, ref = taskRef(slug) }: ApplyInputs): Promise<ApplyResult> {
  const changes = await taskChanges(gate, slug, { ref, at: tip });
  if (!(await isGitSource(source))) return { kind: 'directory', changes };
  const branch = ref.slice('refs/heads/'.length);
  return { kind: 'git', branch, mergeCommand: ['git', 'merge', branch], changes };
}

/** An object is asked for by its id, which git allows where it is told so. */
const UPLOAD_PACK = 'git -c core.hooksPath=/dev/null -c protocol.allow=never -c uploadpack.allowAnySHA1InWant=true upload-pack';

interface Fetch {
  readonly ref: string;
  readonly source: string;
  readonly repository: string;
  readonly tip: string;
}

async function fetchBranch({ ref, source, repository, tip }: Fetch): Promise<void> {
  const branch = ref.slice('refs/heads/'.length);
  const before = await resolveRevision(source, ref);
  if (before === tip) return;
  if (before !== undefined && !(await isAncestor(repository, before, tip))) {
    throw new TerokError('REFUSED', `The branch \`${branch}\` in \`${source}\` holds commits that the task's branch does not.`, {
      hint: `Rename yours (\`git branch -m ${branch} NAME\`) and apply again.`,
    });
  }
  const args = [
    'fetch',
    '--quiet',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-recurse-submodules',
    '--no-auto-maintenance',
    '--no-prune',
    '--refmap=',
    `--upload-pack=${UPLOAD_PACK}`,
  ];
  const result = await git(source, [...args, '--', repository, `${tip}:${ref}`], {
    accept: [1, 128],
    settings: {
      'fetch.fsckObjects': 'true',
      'transfer.fsckObjects': 'true',
      'fetch.prune': 'false',
      'fetch.showForcedUpdates': 'true',
      'fetch.output': 'full',
    },
  });
  if (result.exitCode === 0) return;
  const stderr = result.stderr.toString('utf8').trim();
  if (stderr.includes('checked out')) {
    throw new TerokError('REFUSED', `The branch \`${branch}\` is checked out in \`${source}\`, so it cannot be moved.`, {
      hint: `Switch to another branch, or run \`git pull ${repository} ${ref}\`.`,
    });
  }
  throw new TerokError('GIT_FAILED', `The commits could not be fetched into \`${source}\`: ${stderr.split('\n').slice(-3).join('\n')}`);
}

/** Also false where the repository does not have the first commit. */
async function isAncestor(repository: string, ancestor: string, commit: string): Promise<boolean> {
  return (await git(repository, ['merge-base', '--is-ancestor', ancestor, commit], { accept: [1, 128] })).exitCode === 0;
}
