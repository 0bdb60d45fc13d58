import { existsSync } from 'node:fs';
import { type AuditVerdict, TerokError, verifyAuditLog } from '../core/index.ts';
import { decisionLog, verifyDecisionLog } from '../projects/git/index.ts';
import type { TaskContext } from './context.ts';
import type { AuditReport } from './egress-api.ts';
import { auditFile } from './egress-scope.ts';
import { readTask } from './task-record.ts';

/** Checks the two logs of a task: what its gateway decided, and what people decided about its work. One that never began is left out. */
export async function verifyTask(context: TaskContext, slug: string): Promise<readonly AuditReport[]> {
  const egress = auditFile(context, slug);
  const reports = existsSync(egress) ? [reportOf(slug, egress, verifyAuditLog(egress))] : [];
  const gate = (await readTask(context.paths, slug))?.gate;
  if (gate === undefined) return reports;
  const decisions = decisionLog(gate, slug);
  const verdict = await verifyDecisionLog(decisions);
  return verdict === undefined ? reports : [...reports, reportOf(`decisions about ${slug}`, decisions, verdict)];
}

/** Checks one log of either kind. */
export async function verifyFile(file: string): Promise<AuditReport> {
  const verdict = await verifyDecisionLog(file);
  if (verdict !== undefined) return reportOf(file, file, verdict);
  throw new TerokError('NOT_FOUND', `There is no file \`${file}\`.`, { hint: 'Name a task, or an `audit.jsonl`.' });
}

function reportOf(of: string, file: string, verdict: AuditVerdict): AuditReport {
  return verdict.intact
    ? { of, file, intact: true, lines: verdict.lines }
    : { of, file: verdict.file, intact: false, lines: verdict.lines, line: verdict.line, problem: verdict.problem };
}
