import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, TerokError } from '../../core/index.ts';

/** Where a path of the bottle lies on the host: below its root, whatever the path says. */
export function underRoot(root: string, bottlePath: string): string {
  if (!path.isAbsolute(bottlePath)) throw new TerokError('USAGE', `A path in a bottle is absolute; got \`${bottlePath}\`.`);
  const plain = path.normalize(bottlePath);
  return isWithin(root, plain) ? plain : path.join(root, plain);
}

/** As `underRoot`, and no link on the way leads out of the root. NOT_FOUND where the directory does not exist. */
export async function resolveInRoot(root: string, bottlePath: string): Promise<string> {
  const wanted = underRoot(root, bottlePath);
  const [realRoot, realParent] = await Promise.all([
    realpath(root),
    ignoreCodes(['ENOENT', 'ENOTDIR', 'ELOOP'], () => realpath(path.dirname(wanted))),
  ]);
  if (wanted === root) return realRoot;
  if (realParent === undefined) throw new TerokError('NOT_FOUND', `The bottle has no directory \`${path.dirname(bottlePath)}\`.`);
  if (!isWithin(realRoot, realParent)) throw new TerokError('COPY_REFUSED', `\`${bottlePath}\` leads out of the bottle through a link.`);
  return path.join(realParent, path.basename(wanted));
}

function isWithin(root: string, candidate: string): boolean {
  return candidate === root || candidate.startsWith(`${root}${path.sep}`);
}
