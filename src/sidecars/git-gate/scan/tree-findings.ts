/*
 * Scope: what is wrong with one tree object, wherever it hangs: names that collide, a directory that git would take for a repository.
 * Out of scope: what only the whole path tells, see `change-findings.ts`. Fail-safe direction: a tree that cannot be read is an error.
 */
import { TerokError } from '../../../core/errors.ts';
import type { Finding } from './finding.ts';
import { foldName } from './hostile-name.ts';
import type { NewObject } from './new-objects.ts';

export interface TreeFinding extends Finding {
  /** Paths that make it one; where all of them are older than the push, so is the finding */
  readonly paths: readonly string[];
}

/** Findings of a whole tree object. Their path is that of the entry, below the path at which git met the tree. */
export function treeFindings(tree: NewObject, bytes: Buffer): TreeFinding[] {
  const names = entryNames(bytes, tree.id.length / 2);
  return [...collisions(tree, names), ...embedded(tree, names)];
}

/** `<mode> <name>\0<id>` again and again. */
function entryNames(bytes: Buffer, idBytes: number): string[] {
  const names: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [space, end] = [bytes.indexOf(32, at), bytes.indexOf(0, at)];
    if (space === -1 || end === -1 || space > end) throw new TerokError('GIT_FAILED', 'A tree of the push is malformed.');
    names.push(bytes.toString('latin1', space + 1, end));
    at = end + 1 + idBytes;
  }
  return names;
}

function collisions(tree: NewObject, names: readonly string[]): TreeFinding[] {
  const seen = new Map<string, string>();
  return names.flatMap((name) => {
    const folded = foldName(name);
    const other = seen.get(folded);
    seen.set(folded, name);
    if (other === undefined) return [];
    const what = `has a name that is the same as that of \`${other}\` where a file system ignores case or composition`;
    const paths = [name, other].map((each) => below(tree.path, each));
    return [{ rule: 'names' as const, path: below(tree.path, name), what, object: tree.id, paths }];
  });
}

/** git takes a directory with these for a repository, and then reads the configuration in it. */
function embedded(tree: NewObject, names: readonly string[]): TreeFinding[] {
  const folded = new Set(names.map(foldName));
  const bare = folded.has('head') && ((folded.has('objects') && folded.has('refs')) || folded.has('commondir'));
  if (!bare) return [];
  const paths = names.filter((name) => PARTS.has(foldName(name))).map((name) => below(tree.path, name));
  return [{ rule: 'embeddedRepositories', path: tree.path, what: 'is a bare git repository', object: tree.id, paths }];
}

const PARTS = new Set(['head', 'objects', 'refs', 'commondir']);

export function below(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}
