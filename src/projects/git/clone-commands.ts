/*
 * Scope: argv lists that the task layer runs in the bottle as the agent user. Out of scope: running them.
 * Fail-safe direction: no shell; saving work runs no hook of the clone, and says by its last command whether everything is in the gate.
 */
import { parseSlug } from '../../core/index.ts';
import { renderUntrusted } from './render-untrusted.ts';

/** Where every bottle finds its gate. */
const GATE_URL = 'http://gate.terok.internal/repo.git';
const WORK = '/work';

export interface BottleCommand {
  readonly argv: readonly string[];
  /** Exit codes that are a success */
  readonly ok: readonly number[];
  /** What a failure means, for a note; the exit code of a command without it is an error */
  readonly otherwise?: string;
}

export interface CloneInputs {
  readonly slug: string;
  /** `Project.name` */
  readonly directoryName: string;
  readonly identity: { readonly name: string; readonly email: string };
  /** The gate's address for tests; the sealed network's by default */
  readonly url?: string;
  /** Directory that the clone is made in, `/work` by default */
  readonly parent?: string;
}

/**
 * Clones the task's branch, which is HEAD of its repository: `git push` and `git pull` work without arguments. A resumed task gets the
 * work that it pushed before.
 */
export function cloneCommands({ slug, directoryName, identity, url = GATE_URL, parent = WORK }: CloneInputs): BottleCommand[] {
  const settings = { 'user.name': identity.name, 'user.email': identity.email, 'push.default': 'simple', 'advice.detachedHead': 'false' };
  const options = Object.entries(settings).flatMap(([key, value]) => ['--config', `${key}=${value}`]);
  const branch = `terok/${parseSlug(slug)}`;
  return [
    {
      argv: ['git', 'clone', '--quiet', '--no-recurse-submodules', '--branch', branch, ...options, '--', url, `${parent}/${directoryName}`],
      ok: [0],
    },
  ];
}

export interface SalvageInputs {
  readonly slug: string;
  readonly directoryName: string;
  /** First line of the commit of what was left uncommitted */
  readonly message?: string;
  readonly parent?: string;
}

/**
 * Commits what is uncommitted (untracked files too, ignored ones not) and pushes. The branch is pushed with force because an
 * amended commit is the agent's intention; the gate keeps what it replaced.
 */
export function salvageCommands({
  slug,
  directoryName,
  message = 'Save uncommitted work at the end of the task',
  parent = WORK,
}: SalvageInputs): BottleCommand[] {
  const branch = `refs/heads/terok/${parseSlug(slug)}`;
  const directory = `${parent}/${directoryName}`;
  const git = [
    'git',
    '-C',
    directory,
    '-c',
    'core.hooksPath=/dev/null',
    '-c',
    'core.fsmonitor=',
    '-c',
    'commit.gpgSign=false',
    '-c',
    'push.gpgSign=false',
  ];
  return [
    { argv: ['rm', '-f', '--', `${directory}/.git/index.lock`], ok: [0] },
    { argv: [...git, 'add', '--all'], ok: [0] },
    { argv: [...git, 'commit', '--quiet', '--no-verify', '--message', renderUntrusted(message)], ok: [0, 1] },
    {
      argv: [...git, 'push', '--quiet', '--force', 'origin', `${branch}:${branch}`],
      ok: [0],
      otherwise: `the branch terok/${slug} of the clone could not be pushed`,
    },
    { argv: [...git, 'push', '--quiet', 'origin', `HEAD:${branch}`], ok: [0, 1] },
    {
      argv: [...git, 'merge-base', '--is-ancestor', 'HEAD', `refs/remotes/origin/terok/${slug}`],
      ok: [0],
      otherwise: 'the clone holds commits that are not in the gate; the bottle still has them',
    },
  ];
}
