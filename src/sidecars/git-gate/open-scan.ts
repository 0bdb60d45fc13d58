/*
 * Scope: the gate's side of the scan of one push: what the scanner is told, and what of its answer is recorded.
 * Out of scope: the verdict itself, which is the scanner's exit code. Fail-safe direction: a scan that left no answer is recorded as failed.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../core/errors.ts';
import { DEFAULT_GATE_RULES } from '../../core/gate-rules.ts';
import type { ScanJob, ScanSummary } from './scan/scan-job.ts';
import type { GateEvent, ServedGate } from './served-gate.ts';

export interface OpenScan extends AsyncDisposable {
  readonly job: ScanJob;
  readonly failureFile: string;
  /** What to record; undefined where no scan ran */
  event(): Promise<GateEvent | undefined>;
}

export async function openScan({ repository, slug, rules = DEFAULT_GATE_RULES, vaultDir, canaryFile, lfs }: ServedGate): Promise<OpenScan> {
  const dir = path.join(repository, 'terok');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const summaryFile = path.join(dir, `summary-${randomBytes(6).toString('hex')}`);
  const failureFile = `${summaryFile}.failed`;
  return {
    job: {
      repository,
      slug,
      rules,
      summaryFile,
      ...(vaultDir === undefined ? {} : { vaultDir }),
      ...(canaryFile === undefined ? {} : { canaryFile }),
      ...(lfs === undefined ? {} : { lfs }),
    },
    failureFile,
    async event() {
      const [answer, failure] = await Promise.all([readIfThere(summaryFile), readIfThere(failureFile)]);
      if (failure !== undefined) return { kind: 'git', decision: 'deny', slug, phase: 'scan', reason: failure };
      if (answer === undefined) return undefined;
      const { outcome, ...facts } = JSON.parse(answer) as ScanSummary;
      return { kind: 'git', decision: outcome === 'refused' ? 'deny' : 'allow', slug, phase: 'scan', outcome, ...facts };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([summaryFile, failureFile].map(async (file) => await rm(file, { force: true })));
    },
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  return await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'));
}
