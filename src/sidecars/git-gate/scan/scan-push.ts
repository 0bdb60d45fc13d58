/*
 * Scope: everything that a push brings, judged while it is in quarantine: all objects that no trusted commit reached before.
 * Out of scope: which refs may be written; who is told. Fail-safe direction: whatever cannot be read to its end refuses the push.
 */
import path from 'node:path';
import { TerokError } from '../../../core/errors.ts';
import type { GateRules } from '../../../core/gate-rules.ts';
import type { LfsPlan } from '../../gateway/gateway-plan.ts';
import { BorrowedObjects } from './borrowed-objects.ts';
import { findInChanges, type PushedLink } from './change-findings.ts';
import { type Finding, isFixedRule } from './finding.ts';
import { nameProblem } from './hostile-name.ts';
import { KnownContent } from './known-content.ts';
import { linkFindings, MAX_TARGET_BYTES } from './link-findings.ts';
import { visitNewObjects } from './new-objects.ts';
import { ObjectScan } from './object-scan.ts';
import type { PatternScanner } from './pattern-scanner.ts';
import { type PushRange } from './push-range.ts';
import { askGit } from './quarantine-git.ts';
import { scanLfsObjects } from './scan-lfs-objects.ts';
import { foundBy, type Needle } from './secret-needles.ts';
import type { TreeFinding } from './tree-findings.ts';

/** One line that git gives a pre-receive hook */
export interface PushedRef {
  readonly old: string;
  readonly new: string;
  readonly ref: string;
}

export interface ScanInputs {
  readonly refs: readonly PushedRef[];
  readonly rules: GateRules;
  readonly needles: readonly Needle[];
  readonly patterns: PatternScanner;
  /** Commits whose whole history needs no look: it is the user's, or was found clean under the same rules */
  readonly trusted: readonly string[];
  readonly lfs: LfsPlan | undefined;
}

export interface ScanReport {
  /** In the order of discovery; without those that the rules allow */
  readonly findings: readonly Finding[];
  readonly objects: number;
  /** Bytes of all new objects, uncompressed */
  readonly bytes: number;
}

/** Findings that are kept of one push: the first ones say what is wrong */
const MAX_FINDINGS = 200;

export async function scanPush(inputs: ScanInputs): Promise<ScanReport> {
  const tips = inputs.refs.map((pushed) => pushed.new).filter((id) => !/^0+$/.test(id));
  const sink = new FindingSink(inputs.rules);
  for (const { ref } of inputs.refs) inspectRefName(ref, inputs.needles, sink);
  if (tips.length === 0) return { findings: sink.findings, objects: 0, bytes: 0 };
  const trusted = new Set(inputs.trusted);
  const known = new KnownContent(inputs.refs.map(({ old }) => old).filter((id) => trusted.has(id)));
  const range = { tips, trusted: inputs.trusted };
  const scan = new ObjectScan(inputs, (finding) => sink.add(finding));
  const [, links] = await Promise.all([visitAll(range, scan), findInChanges(range, (finding) => sink.add(finding))]);
  await scanLfsObjects(scan, inputs.lfs, (finding) => sink.add(finding));
  for (const finding of linkFindings(links, await readTargets(links))) sink.add(finding);
  await sink.dropKnown(known, scan);
  return { findings: sink.findings, objects: scan.objects, bytes: scan.bytes };
}

async function visitAll(range: PushRange, scan: ObjectScan): Promise<void> {
  const quarantine = process.env.GIT_QUARANTINE_PATH;
  if (quarantine === undefined) throw new TerokError('GIT_FAILED', 'git did not say where the objects of the push are.');
  const borrowed = new BorrowedObjects(quarantine);
  await visitNewObjects(range, {
    wants: (object) => {
      borrowed.note(object.id);
      return scan.wants(object);
    },
    onBytes: (object, bytes, last) => scan.onBytes(object, bytes, last),
    settle: async () => await scan.settle(),
  });
  await borrowed.assertNone(range.trusted);
  await scan.flush();
}

function inspectRefName(ref: string, needles: readonly Needle[], sink: FindingSink): void {
  const problem = nameProblem(ref);
  if (problem !== undefined) sink.add({ rule: 'names', path: '', what: `the name of a ref ${problem}` });
  const found = needles.find(({ bytes }) => ref.includes(bytes.toString('latin1')));
  if (found !== undefined) sink.add({ rule: foundBy(found).rule, path: '', what: `the name of a ref holds ${foundBy(found).what}` });
}

/** Blob id → target; without those that are too long to be one. */
async function readTargets(links: readonly PushedLink[]): Promise<Map<string, string>> {
  const ids = [...new Set(links.map(({ blob }) => blob))];
  if (ids.length === 0) return new Map();
  const sizes = (await askGit(['cat-file', '--batch-check=%(objectname) %(objectsize)'], `${ids.join('\n')}\n`))
    .toString('latin1')
    .split('\n');
  const short = sizes.map((line) => line.split(' ')).filter(([, size]) => Number(size) <= MAX_TARGET_BYTES);
  const wanted = short.flatMap(([id, size]) => (id === undefined || size === undefined ? [] : [{ id, size: Number(size) }]));
  const output = await askGit(['cat-file', '--batch=%(objectname)'], wanted.map(({ id }) => `${id}\n`).join(''));
  const targets = new Map<string, string>();
  let at = 0;
  for (const { id, size } of wanted) {
    const start = at + id.length + 1;
    targets.set(id, output.toString('latin1', start, start + size));
    at = start + size + 1;
  }
  return targets;
}

/** Keeps what the rules do not allow. */
class FindingSink {
  findings: Finding[] = [];
  readonly #rules: GateRules;
  readonly #seen = new Set<string>();

  constructor(rules: GateRules) {
    this.#rules = rules;
  }

  add(finding: Finding): void {
    if (this.#isAllowed(finding) || this.findings.length >= MAX_FINDINGS) return;
    const key = `${finding.rule}\0${finding.path}\0${finding.what}\0${finding.line ?? ''}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.findings.push(finding);
  }

  /** Takes out what the branch held before: it came from the user. */
  async dropKnown(known: KnownContent, scan: ObjectScan): Promise<void> {
    const kept: Finding[] = [];
    for (const finding of this.findings) if (!(await isKnown(finding, known, scan))) kept.push(finding);
    this.findings = kept;
  }

  #isAllowed({ rule, path: where }: Finding): boolean {
    if (isFixedRule(rule)) return false;
    if (this.#rules.actions[rule] === 'allow') return true;
    const byPath = rule === 'secretPatterns' || rule === 'programs' || rule === 'largeFiles';
    return byPath && where !== '' && this.#rules.allowedPaths.some((glob) => path.posix.matchesGlob(where, glob));
  }
}

async function isKnown(finding: Finding, known: KnownContent, scan: ObjectScan): Promise<boolean> {
  const match = scan.matchOf(finding);
  if (match !== undefined) return await known.hasText(finding.path, match);
  // A collision or an embedded repository is of a whole tree, which may be older than the push
  if (!('paths' in finding)) return false;
  for (const each of (finding as TreeFinding).paths) if (!(await known.hasPath(each))) return false;
  return true;
}
