/*
 * Scope: the rules that a person gave a project or a task on the command line, each change a version of its own. Out of scope: what they
 * mean together with the configuration (`compose-policy.ts`). Fail-safe direction: a version that does not parse is an error, never empty.
 */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, readStateFile, TerokError, withLock, writeStateFile } from '../core/index.ts';
import { type PolicyVersion, policyVersionSchema, type StoredRule } from './stored-rule.ts';

/** Each has at most some 100 KiB; older ones are removed. */
const MAX_VERSIONS = 100;
const FILE = /^(\d{6,9})\.json$/;

/** The current rules; version 0 is that of nothing. Throws STATE_CORRUPT. */
export async function readRules(dir: string): Promise<PolicyVersion> {
  const newest = (await numbersIn(dir)).at(-1);
  return newest === undefined ? { number: 0, at: new Date(0).toISOString(), reason: '', rules: [] } : await readVersion(dir, newest);
}

/** Every version that is kept, newest first. */
export async function listVersions(dir: string): Promise<readonly PolicyVersion[]> {
  return await Promise.all((await numbersIn(dir)).reverse().map((number) => readVersion(dir, number)));
}

/**
 * Adds a version under the lock of the store. A version is one file that gets its name when it is whole, so that a process that is
 * killed leaves the old version or the new one. A change that gives the same rules adds none.
 */
export async function changeRules(
  dir: string,
  reason: string,
  change: (rules: readonly StoredRule[]) => readonly StoredRule[] | Promise<readonly StoredRule[]>,
): Promise<PolicyVersion> {
  return await withLock(path.join(dir, 'rules'), async () => {
    const current = await readRules(dir);
    const rules = await change(current.rules);
    if (JSON.stringify(rules) === JSON.stringify(current.rules)) return current;
    const next = { number: current.number + 1, at: new Date().toISOString(), reason, rules };
    await writeStateFile(fileOf(dir, next.number), policyVersionSchema.parse({ version: 1, ...next }));
    for (const old of (await numbersIn(dir)).slice(0, -MAX_VERSIONS)) await rm(fileOf(dir, old), { force: true });
    return next;
  });
}

async function readVersion(dir: string, number: number): Promise<PolicyVersion> {
  const file = fileOf(dir, number);
  const value = await readStateFile(file, policyVersionSchema);
  if (value !== undefined && value.number === number) return { number, at: value.at, reason: value.reason, rules: value.rules };
  throw new TerokError('STATE_CORRUPT', `\`${file}\` is not version ${number} of the policy.`, { context: { file } });
}

async function numbersIn(dir: string): Promise<number[]> {
  const names = (await ignoreCodes(['ENOENT'], () => readdir(dir))) ?? [];
  return names.flatMap((name) => FILE.exec(name)?.slice(1).map(Number) ?? []).sort((a, b) => a - b);
}

function fileOf(dir: string, number: number): string {
  return path.join(dir, `${String(number).padStart(6, '0')}.json`);
}
