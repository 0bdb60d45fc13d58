/*
 * Scope: the record of what scans found, in the repository of the task where no ref can reach it. Out of scope: reading it for people.
 * Fail-safe direction: a commit without a record under the same rules is looked at again.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../../core/errors.ts';

/** Refused pushes that are kept, the newest ones */
const KEPT_REFUSALS = 50;
const ID = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

export interface VerdictFinding {
  readonly rule: string;
  readonly action: 'refuse' | 'hold';
  /** Safe to print */
  readonly path: string;
  readonly what: string;
  readonly object?: string;
  readonly commit?: string;
  readonly line?: number;
}

export interface Verdict {
  readonly version: 1;
  /** ISO 8601 */
  readonly at: string;
  /** Names the rules, the scanner and the state of the vault that it holds for */
  readonly policy: string;
  readonly outcome: 'clean' | 'held' | 'refused';
  readonly scanner: string;
  readonly refs: readonly { readonly ref: string; readonly old: string; readonly new: string }[];
  readonly objects: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly findings: readonly VerdictFinding[];
}

/** Commits that were found clean under the same policy. */
export async function cleanCommits(repository: string, policy: string): Promise<readonly string[]> {
  const names = (await ignoreCodes(['ENOENT'], () => readdir(path.join(repository, 'terok/clean', policy)))) ?? [];
  return names.filter((name) => ID.test(name));
}

/** Keeps a verdict: `terok/verdicts/<commit>.json` for what is taken, `terok/refused/<time>.json` for what is not. */
export async function keepVerdict(repository: string, verdict: Verdict): Promise<void> {
  const commits = verdict.refs.map((pushed) => pushed.new).filter((id) => ID.test(id) && !/^0+$/.test(id));
  if (verdict.outcome === 'refused') return await keepRefusal(path.join(repository, 'terok/refused'), verdict);
  for (const commit of commits) await replace(path.join(repository, 'terok/verdicts', `${commit}.json`), verdict);
  if (verdict.outcome !== 'clean') return;
  const dir = path.join(repository, 'terok/clean', verdict.policy);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const commit of commits) await writeFile(path.join(dir, commit), '', { mode: 0o600 });
}

async function keepRefusal(dir: string, verdict: Verdict): Promise<void> {
  const name = `${verdict.at.replaceAll(/[-:.]/g, '')}-${process.pid}.json`;
  await replace(path.join(dir, name), verdict);
  for (const old of (await readdir(dir)).sort().slice(0, -KEPT_REFUSALS)) await rm(path.join(dir, old), { force: true });
}

async function replace(file: string, verdict: Verdict): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const staged = `${file}.${process.pid}`;
  await writeFile(staged, `${JSON.stringify(verdict)}\n`, { mode: 0o600 });
  await rename(staged, file);
}
