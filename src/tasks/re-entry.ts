import path from 'node:path';
import { type CopyOutOptions, TerokError } from '../core/index.ts';
import { type ReEntry, reEntryOf } from '../review/index.ts';

/** Files named in an error; the rest is counted */
const MAX_NAMED = 10;

/**
 * Looks at a copy before it lands: files that would run on this machine must be accepted. Throws COPY_REFUSED with their names.
 *
 * @param target Absolute path that the copy gets
 */
export function checkReEntry(
  target: string,
  accept: (files: readonly ReEntry[]) => Promise<boolean> = async () => await Promise.resolve(false),
): NonNullable<CopyOutOptions['beforePublish']> {
  return async (files) => {
    const found = reEntryOf(files.map((file) => ({ path: path.join(target, file.path), executable: file.executable })));
    if (found.length === 0 || (await accept(found))) return;
    const named = found.slice(0, MAX_NAMED).map(({ shown, runs, why }) => `${shown}: ${runs}: ${why}`);
    const more = found.length > MAX_NAMED ? `\n  … and ${found.length - MAX_NAMED} more` : '';
    throw new TerokError(
      'COPY_REFUSED',
      `Files that would run on this machine are not copied out unasked:\n  ${named.join('\n  ')}${more}`,
      {
        context: { target, count: found.length },
        hint: 'Name what may land: `--accept PATH`, relative to the target; `--accept .` for all.',
      },
    );
  };
}
