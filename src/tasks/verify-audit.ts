import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type AuditVerdict, ignoreCodes, TerokError, verifyAuditLog } from '../core/index.ts';
import { takenSlugs } from '../core/resolve/index.ts';
import { decisionLog, decisionLogs, verifyDecisionLog } from '../projects/git/index.ts';
import type { TaskContext } from './context.ts';
import type { AuditReport } from './egress-api.ts';
import { auditFile } from './egress-scope.ts';
import { readTask } from './task-record.ts';

/** Checks the logs of all tasks, and what was decided about those that were removed. */
export async function verifyAll(context: TaskContext): Promise<readonly AuditReport[]> {
  const egress = (await takenSlugs(context.paths)).flatMap((slug) => verifyEgress(context, slug));
  const projects = path.join(context.paths.data, 'projects');
  const ids = (await ignoreCodes(['ENOENT'], () => readdir(projects))) ?? [];
  const logs = await Promise.all(ids.map((id) => decisionLogs(path.join(projects, id))));
  return [...egress, ...(await Promise.all(logs.flat().map(verifyDecisions))).flat()];
}

/** Checks the two logs of a task: what its gateway decided, and what people decided about its work. One that never began is left out. */
export async function verifyTask(context: TaskContext, slug: string): Promise<readonly AuditReport[]> {
  const gate = (await readTask(context.paths, slug))?.gate;
  return [...verifyEgress(context, slug), ...(gate === undefined ? [] : await verifyDecisions(decisionLog(gate, slug)))];
}

/** Checks one log of either kind. */
export async function verifyFile(file: string): Promise<AuditReport> {
  const verdict = await verifyDecisionLog(file);
  if (verdict !== undefined) return reportOf(file, file, verdict);
  throw new TerokError('NOT_FOUND', `There is no file \`${file}\`.`, { hint: 'Name a task, or an `audit.jsonl`.' });
}

function verifyEgress(context: TaskContext, slug: string): readonly AuditReport[] {
  const file = auditFile(context, slug);
  return existsSync(file) ? [reportOf(slug, file, verifyAuditLog(file))] : [];
}

async function verifyDecisions(file: string): Promise<readonly AuditReport[]> {
  const verdict = await verifyDecisionLog(file);
  return verdict === undefined ? [] : [reportOf(`decisions about ${path.basename(file, '.jsonl')}`, file, verdict)];
}

function reportOf(of: string, file: string, verdict: AuditVerdict): AuditReport {
  return verdict.intact
    ? { of, file, intact: true, lines: verdict.lines }
    : { of, file: verdict.file, intact: false, lines: verdict.lines, line: verdict.line, problem: verdict.problem };
}
