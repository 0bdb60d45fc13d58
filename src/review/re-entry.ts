/*
 * Scope: files that would run on this machine because they landed somewhere: when they are opened, built, or entered.
 * Out of scope: what they hold. Fail-safe direction: judged by the place where they land, by the name alone, and by the executable bit.
 */
import { renderUntrusted } from '../core/index.ts';
import type { RunsWhen } from './file-kind.ts';
import { kindOf } from './kind-of.ts';

export interface ReturningFile {
  /** Where it lands, absolute or relative; untrusted text */
  readonly path: string;
  readonly executable: boolean;
}

export interface ReEntry {
  /** Where it lands; not safe to print */
  readonly path: string;
  /** Safe to print */
  readonly shown: string;
  readonly kind: string;
  readonly when: RunsWhen;
  readonly runs: string;
  readonly why: string;
}

const PROGRAM = { id: 'executable', when: 'use', runs: 'whoever calls it', why: 'is an executable file' } as const;

/** The files among these that run; what runs away from this machine is not its business. */
export function reEntryOf(files: readonly ReturningFile[]): readonly ReEntry[] {
  return files.flatMap(({ path, executable }) => {
    const known = kindOf(path);
    const kind = known !== undefined && known.when !== 'ci' ? known : executable ? PROGRAM : undefined;
    if (kind === undefined) return [];
    return { path, shown: renderUntrusted(path), kind: kind.id, when: kind.when, runs: kind.runs, why: kind.why };
  });
}
