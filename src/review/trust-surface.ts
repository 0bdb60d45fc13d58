/*
 * Scope: what a change makes run somewhere else, or on the machine that it returns to. Pure: same change and blobs, same answer.
 * Out of scope: whether that is any good; files that only the project's own code reads.
 * Fail-safe direction: a file is listed by its name and mode alone; what cannot be read in it is said, never left out.
 */
import { renderUntrusted } from '../core/index.ts';
import { detailsOf } from './details.ts';
import type { FileKind, RunsWhen } from './file-kind.ts';
import { kindOf } from './kind-of.ts';

/** One path that differs between two trees, as `git diff-tree --raw` tells it without renames. */
export interface TreeChange {
  /** Untrusted bytes, relative to the top of the tree */
  readonly path: Uint8Array;
  /** Six octal digits; `000000` where the path is new */
  readonly oldMode: string;
  /** `000000` where the path is deleted */
  readonly mode: string;
  readonly oldId: string;
  readonly id: string;
}

/** Gives a blob; undefined where it is missing, is none, or is larger than the reader's limit. */
export type ReadBlob = (id: string) => Promise<Buffer | undefined>;

export interface TrustFinding {
  /** Id of the catalogue, or `executable`, `symbolic-link`, `submodule` */
  readonly kind: string;
  readonly when: RunsWhen;
  /** Safe to print; not a path to act on */
  readonly path: string;
  readonly change: 'added' | 'modified' | 'deleted';
  /** Who runs it */
  readonly runs: string;
  readonly why: string;
  /** What changed in it, one safe line each: scripts, packages, addresses */
  readonly details: readonly string[];
}

export interface TrustSurface {
  /** In the order of `when`, then of the paths; at most `MAX_FINDINGS` */
  readonly findings: readonly TrustFinding[];
  /** Findings that are not listed */
  readonly omitted: number;
}

/** More than a person reads; what is left out is counted. */
export const MAX_FINDINGS = 2_000;
/** Files that are read for details; the others are listed without */
const MAX_DETAILED = 200;

const ORDER: readonly RunsWhen[] = ['ci', 'git', 'install', 'build', 'open', 'enter', 'agent', 'use'];
const ABSENT = '000000';

/** Everything in a change that makes something run, with what changed in the files that can be read. */
export async function trustSurfaceOf(changes: readonly TreeChange[], readBlob: ReadBlob): Promise<TrustSurface> {
  const found = changes.flatMap((change) => findingsOf(change).map((finding) => ({ change, finding })));
  found.sort((a, b) => ORDER.indexOf(a.finding.when) - ORDER.indexOf(b.finding.when) || compareText(a.finding.path, b.finding.path));
  const findings: TrustFinding[] = [];
  for (const [index, { change, finding }] of found.slice(0, MAX_FINDINGS).entries()) {
    findings.push(index < MAX_DETAILED ? { ...finding, details: await readDetails(finding.kind, change, readBlob) } : finding);
  }
  return { findings, omitted: found.length - findings.length };
}

function findingsOf(change: TreeChange): TrustFinding[] {
  const text = new TextDecoder().decode(change.path);
  const kinds = [modeKind(change), kindOf(text)].filter((kind) => kind !== undefined);
  const path = renderUntrusted(text);
  return kinds.map(({ id, when, runs, why }) => ({ kind: id, when, path, change: changeOf(change), runs, why, details: [] }));
}

type ModeKind = Pick<FileKind, 'id' | 'when' | 'runs' | 'why'>;

/** What a mode means, whatever the name. */
const MODES: Readonly<Record<string, ModeKind>> = {
  '100755': { id: 'executable', when: 'use', runs: 'whoever calls it', why: 'became executable' },
  '120000': { id: 'symbolic-link', when: 'use', runs: 'every program that follows it', why: 'leads to another file' },
  '160000': { id: 'submodule', when: 'git', runs: 'git', why: 'is a commit of another repository' },
};

function modeKind({ oldMode, mode, oldId, id }: TreeChange): ModeKind | undefined {
  if (mode !== oldMode) return MODES[mode];
  return mode === '100755' || oldId === id ? undefined : MODES[mode];
}

function changeOf({ oldMode, mode }: TreeChange): TrustFinding['change'] {
  if (oldMode === ABSENT) return 'added';
  return mode === ABSENT ? 'deleted' : 'modified';
}

async function readDetails(kind: string, { oldMode, mode, oldId, id }: TreeChange, readBlob: ReadBlob): Promise<readonly string[]> {
  if (kind === 'executable') return [`mode ${oldMode} → ${mode}`];
  if (kind === 'submodule') return [`commit ${oldMode === '160000' ? oldId : 'none'} → ${id}`];
  const read = async (sideMode: string, sideId: string): Promise<Buffer | undefined> =>
    sideMode === ABSENT || sideMode === '160000' ? Buffer.alloc(0) : await readBlob(sideId);
  const [before, after] = [await read(oldMode, oldId), await read(mode, id)];
  if (before === undefined || after === undefined) return ['too large to be read here: look at the diff'];
  if (kind === 'symbolic-link') return [`→ ${renderUntrusted(after)}`];
  return detailsOf(kind, before, after);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
