/*
 * Scope: which refs a push may write and that its objects are scanned (pre-receive), that nothing which a push overwrites is lost
 * (update), and what happens to a push that was taken (post-receive).
 * Out of scope: the form of objects, which git checks itself (`receive.fsckObjects`).
 * Fail-safe direction: a ref that is not named as writable is refused; where scan or backup fail, the push fails.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, systemCodeOf } from '../../core/errors.ts';
import { LIMITS } from './limits.ts';

/** First the words of the person who did not take an earlier push, which are left for it in the repository. */
const PRE_RECEIVE = `#!/bin/sh
for message in terok-messages/*; do
  [ -f "$message" ] || continue
  sed 's/^/terok: /' "$message" >&2
  rm -f "$message"
done
refused=0
lines=
while read -r old new ref; do
  lines="$lines$old $new $ref
"
  case "$ref" in
    "$TEROK_WRITABLE_REF" | "$TEROK_WRITABLE_REF".?* | "$TEROK_NOTES_REF" | "$TEROK_NOTES_REF".?*) ;;
    *)
      refused=1
      echo "terok: this task may not write $ref." >&2
      ;;
  esac
done
if [ "$refused" = 0 ]; then
  printf %s "$lines" | "$TEROK_NODE" "$TEROK_SCAN_MAIN" && exit 0
  exit 1
fi
echo "terok: nothing of this push was taken. Push your work to the branch of this task:" >&2
echo "terok:   git push origin HEAD:$TEROK_WRITABLE_REF" >&2
echo "terok: or another one to $TEROK_WRITABLE_REF.NAME." >&2
echo "terok: The person who runs this task reviews it and takes it from there." >&2
exit 1
`;

/** Runs when the objects have left quarantine and before the ref changes, so that a crash cannot lose the old value. */
const UPDATE = `#!/bin/sh
set -eu
ref=$1 old=$2 new=$3
is_zero() { case "$1" in *[!0]*) return 1 ;; *) return 0 ;; esac; }
is_zero "$old" && exit 0
if ! is_zero "$new" && git merge-base --is-ancestor "$old" "$new"; then exit 0; fi
kept=$(git for-each-ref --count=${LIMITS.backups} --format=x refs/terok/backup/ | wc -l)
if [ "$kept" -ge ${LIMITS.backups} ]; then
  echo "terok: this branch was overwritten ${LIMITS.backups} times already. Add a commit on top of it, without --force." >&2
  exit 1
fi
case "$ref" in
  "$TEROK_NOTES_REF"*) name=-notes\${ref#"$TEROK_NOTES_REF"} ;;
  *) name=\${ref#"$TEROK_WRITABLE_REF"} ;;
esac
git update-ref --no-deref "refs/terok/backup/$TEROK_SLUG/$(date -u +%Y%m%dT%H%M%SZ)-$(printf %.12s "$old")$name" "$old"
echo "terok: the previous tip of $ref ($(printf %.12s "$old")) is kept as a backup." >&2
`;

/** Runs when the refs have changed, so nothing that happens here can take the push back. */
const POST_RECEIVE = `#!/bin/sh
[ -n "$TEROK_AFTER_PUSH_MAIN" ] || exit 0
exec "$TEROK_NODE" "$TEROK_AFTER_PUSH_MAIN" "$TEROK_AFTER_PUSH_ARGUMENT"
`;

const HOOKS = { 'pre-receive': PRE_RECEIVE, update: UPDATE, 'post-receive': POST_RECEIVE } as const;
const VERSION = createHash('sha256').update(JSON.stringify(HOOKS)).digest('hex').slice(0, 12);

/** Directory with terok's hooks below `parent`, made or repaired; its name holds a hash of the content. */
export async function ensureHooks(parent: string): Promise<string> {
  const dir = path.join(parent, `.hooks-${VERSION}`);
  if (await isIntact(dir)) return dir;
  const staged = await mkdtemp(path.join(parent, '.hooks-new-'));
  for (const [name, text] of Object.entries(HOOKS)) {
    await writeFile(path.join(staged, name), text, { mode: 0o700 });
    await chmod(path.join(staged, name), 0o700);
  }
  await rm(dir, { recursive: true, force: true });
  try {
    await rename(staged, dir);
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    if ((systemCodeOf(error) !== 'ENOTEMPTY' && systemCodeOf(error) !== 'EEXIST') || !(await isIntact(dir))) throw error;
  }
  return dir;
}

async function isIntact(dir: string): Promise<boolean> {
  for (const [name, text] of Object.entries(HOOKS)) {
    if ((await ignoreCodes(['ENOENT'], () => readFile(path.join(dir, name), 'utf8'))) !== text) return false;
  }
  return true;
}
