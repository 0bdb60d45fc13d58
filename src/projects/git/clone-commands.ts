/*
 * Scope: argv lists that the task layer runs in the bottle as the agent user. Out of scope: running them.
 * Fail-safe direction: a shell program is constant and gets values as arguments; saving work runs no hook of the clone, and succeeds
 * only when everything is in the gate.
 */
import { parseSlug, renderUntrusted } from '../../core/index.ts';

/** Where every bottle finds its gate. */
const GATE_URL = 'http://gate.terok.internal/repo.git';
const WORK = '/work';

export interface BottleCommand {
  readonly argv: readonly string[];
  /** What an exit code other than 0 means; one that is not listed is told as it is */
  readonly failures?: Readonly<Record<number, string>>;
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
 * work that it pushed before. The protocol's first version needs one request less, and the task's repository has few refs to list.
 */
export function cloneCommands({ slug, directoryName, identity, url = GATE_URL, parent = WORK }: CloneInputs): BottleCommand[] {
  const settings = { 'user.name': identity.name, 'user.email': identity.email, 'push.default': 'simple', 'advice.detachedHead': 'false' };
  const options = Object.entries(settings).flatMap(([key, value]) => ['--config', `${key}=${value}`]);
  const branch = `terok/${parseSlug(slug)}`;
  return [
    {
      argv: [
        'git',
        '-c',
        'protocol.version=0',
        'clone',
        '--quiet',
        '--no-recurse-submodules',
        '--branch',
        branch,
        ...options,
        '--',
        url,
        `${parent}/${directoryName}`,
      ],
    },
  ];
}

export interface SalvageInputs {
  readonly slug: string;
  readonly directoryName: string;
  /** Commit that the gate has for the task, as the host sees it: a clone that is still there needs no push */
  readonly tip?: string | undefined;
  /** First line of the commit of what was left uncommitted */
  readonly message?: string;
  readonly parent?: string;
}

/** Branches and stashes beside the task's own that are kept; of more, the bottle is */
const MAX_OTHERS = 50;

/**
 * `$1` clone, `$2` branch, `$3` message, `$4` tip of the gate or empty. `git commit` ends with 1 where there is nothing to commit; `status`
 * is told what to look at, because the clone's own configuration may hide it. What other branches, a detached HEAD and stashes have beside
 * the task's branch becomes `$2.NAME`, with the commit in the name where that is taken by other work; each is said as `kept BRANCH`.
 */
const SALVAGE = `cd -- "$1" || exit 3
run() { git -c core.hooksPath=/dev/null -c core.fsmonitor= -c commit.gpgSign=false -c push.gpgSign=false "$@"; }
if [ -e .git/index.lock ] || [ -L .git/index.lock ]; then rm -f -- .git/index.lock || exit 3; fi
changes=$(run status --porcelain --untracked-files=normal --ignore-submodules=none) || exit 4
if [ -n "$changes" ]; then
  run add --all || exit 4
  run commit --quiet --no-verify --message "$3" || [ $? = 1 ] || exit 5
fi
tips=$(run rev-parse HEAD "refs/heads/$2" --branches 2>/dev/null)
[ -n "$4" ] && [ ! -e .git/logs/refs/stash ] && [ -z "$(printf '%s\\n' "$tips" | grep -vxF -e "$4")" ] && exit 0
run push --quiet --force origin "refs/heads/$2:refs/heads/$2" || exit 6
top="refs/heads/$2"
if run push --quiet origin "HEAD:refs/heads/$2"; then top=HEAD; else [ $? = 1 ] || exit 7; fi
others() {
  run for-each-ref --format='%(objectname) %(refname:lstrip=2)' refs/heads/ || exit 8
  printf '%s detached-head\\n' "$(run rev-parse HEAD)"
  [ ! -e .git/logs/refs/stash ] || run log --walk-reflogs --format='%H stash' refs/stash
}
others | while read -r id name; do
  case "$seen" in *"$id"*) continue ;; esac
  seen="$seen $id"
  run merge-base --is-ancestor "$id" "$top" && continue
  count=$((count + 1))
  [ "$count" -le ${MAX_OTHERS} ] || exit 9
  to="$2.$(printf %s "\${name#"$2."}" | tr -c 'A-Za-z0-9_-' - | cut -c 1-60)"
  if ! run push --quiet origin "$id:refs/heads/$to" </dev/null 2>/dev/null; then
    to="$to-$(printf %.12s "$id")"
    run push --quiet origin "$id:refs/heads/$to" </dev/null || exit 8
  fi
  echo "kept $to"
done || exit $?
`;

/**
 * Commits what is uncommitted (untracked files too, ignored ones not) and pushes. The branch is pushed with force because an
 * amended commit is the agent's intention; the gate keeps what it replaced. Prints `kept BRANCH` for each other branch that it made there.
 */
export function salvageCommand({
  slug,
  directoryName,
  tip = '',
  message = 'Save uncommitted work at the end of the task',
  parent = WORK,
}: SalvageInputs): BottleCommand {
  const branch = `terok/${parseSlug(slug)}`;
  return {
    argv: ['sh', '-c', SALVAGE, 'sh', `${parent}/${directoryName}`, branch, renderUntrusted(message), tip],
    failures: {
      3: 'the clone could not be entered',
      4: 'the files of the clone could not be added',
      5: 'what was left uncommitted could not be committed',
      6: `the branch ${branch} of the clone could not be pushed`,
      7: 'the commit that is checked out could not be pushed',
      8: 'the clone holds commits of other branches that could not be pushed; the bottle still has them',
      9: `the clone holds more than ${MAX_OTHERS} other branches with commits; the bottle still has them`,
    },
  };
}
