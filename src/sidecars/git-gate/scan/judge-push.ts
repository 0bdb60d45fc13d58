/*
 * Scope: one push from the lines of the hook to a verdict that is kept. Out of scope: the objects, see `scan-push.ts`.
 * Fail-safe direction: a vault that cannot be read, a pack that cannot be judged or a record that cannot be written refuses the push.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { TerokError } from '../../../core/errors.ts';
import type { RuleAction } from '../../../core/gate-rules.ts';
import { renderUntrusted } from '../../../core/render-untrusted.ts';
import { Vault } from '../../../vault/index.ts';
import { explain } from './explain.ts';
import { type Finding, isFixedRule } from './finding.ts';
import { createGitleaks } from './gitleaks-scanner.ts';
import { readPackFacts } from './pack-facts.ts';
import type { PatternScanner } from './pattern-scanner.ts';
import { limitError } from './push-error.ts';
import { commitsOfUser } from './push-range.ts';
import { askGit } from './quarantine-git.ts';
import type { ScanJob, ScanSummary } from './scan-job.ts';
import { SCAN_LIMITS } from './scan-limits.ts';
import { type PushedRef, scanPush } from './scan-push.ts';
import { type Needle, secretNeedles } from './secret-needles.ts';
import { loadSecretlint } from './secretlint-scanner.ts';
import { cleanCommits, keepVerdict } from './verdict-files.ts';

/** Part of every policy: a change of what is looked for makes earlier verdicts void */
const SCANNER_VERSION = 2;
/** Findings for which the commit is looked up, which costs a walk each */
const LOOKED_UP = 5;

export interface Judgement {
  readonly summary: ScanSummary;
  /** For the one who pushed */
  readonly lines: readonly string[];
}

export async function judgePush(job: ScanJob, hookLines: string): Promise<Judgement> {
  const started = performance.now();
  const refs = parseHookLines(hookLines);
  assertPackLimits(process.env.GIT_QUARANTINE_PATH);
  const vault = job.vaultDir === undefined ? undefined : new Vault(job.vaultDir);
  const patterns = await loadPatterns(job.repository);
  const policy = await policyOf(job, vault, patterns.name);
  const [canary, values, trusted] = await Promise.all([canaryNeedles(job), vaultNeedles(vault), trustedCommits(job, policy)]);
  const needles = [...canary, ...values];
  const report = await scanPush({ refs, rules: job.rules, needles, patterns, trusted, lfs: job.lfs });
  const findings = await addCommits(
    report.findings.map((finding) => ({ ...finding, action: actionOf(finding, job) })),
    refs,
  );
  const outcome = findings.some(({ action }) => action === 'refuse') ? 'refused' : findings.length > 0 ? 'held' : 'clean';
  const shown = findings.map(({ rule, action, path: where, what, object, commit, line }) => ({
    rule,
    action: action === 'refuse' ? ('refuse' as const) : ('hold' as const),
    path: renderUntrusted(Buffer.from(where, 'latin1')),
    what: renderUntrusted(Buffer.from(what, 'latin1')),
    ...(object === undefined ? {} : { object }),
    ...(commit === undefined ? {} : { commit }),
    ...(line === undefined ? {} : { line }),
  }));
  const counts = { objects: report.objects, bytes: report.bytes, durationMs: Math.round(performance.now() - started) };
  await keepVerdict(job.repository, {
    version: 1,
    at: new Date().toISOString(),
    policy,
    outcome,
    scanner: patterns.name,
    refs,
    ...counts,
    findings: shown,
  });
  const [first] = shown;
  return {
    summary: {
      outcome,
      findings: shown.length,
      ...(findings.some(({ rule }) => rule === 'canary') ? { canary: true } : {}),
      ...(first === undefined ? {} : { first: `${first.path} ${first.what}`.trim() }),
      ...counts,
    },
    lines: explain(findings),
  };
}

function parseHookLines(lines: string): PushedRef[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, old, next, ref] = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (refs\/[^\0\n ]+)$/.exec(line) ?? [];
      if (old === undefined || next === undefined || ref === undefined)
        throw new TerokError('GIT_FAILED', 'git gave the hook a line that is not understood.');
      return { old, new: next, ref };
    });
}

/** Small pushes come as loose objects only where `receive.unpackLimit` says so, and the gate says 1. */
function assertPackLimits(quarantine: string | undefined): void {
  const dir = path.join(quarantine ?? '/nonexistent', 'pack');
  const packs = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.pack')) : [];
  for (const name of packs) {
    const idBytes = /-([0-9a-f]+)\.pack$/.exec(name)?.[1]?.length === 64 ? 32 : 20;
    const file = path.join(dir, name);
    const { objects, deltaDepth } = readPackFacts(file, file.replace(/\.pack$/, '.idx'), idBytes);
    const problem =
      objects > SCAN_LIMITS.objects
        ? `${objects} objects`
        : deltaDepth > SCAN_LIMITS.deltaDepth
          ? `a chain of ${deltaDepth} deltas`
          : undefined;
    if (problem !== undefined) throw limitError(problem, 'Run `git gc` and push in parts.');
  }
}

async function loadPatterns(repository: string): Promise<PatternScanner> {
  const program = (process.env.PATH ?? '')
    .split(':')
    .map((dir) => path.join(dir, 'gitleaks'))
    .find((file) => path.isAbsolute(file) && existsSync(file));
  return program === undefined ? await loadSecretlint() : createGitleaks(program, path.join(repository, 'terok', `scan-${process.pid}`));
}

async function policyOf({ rules }: ScanJob, vault: Vault | undefined, scanner: string): Promise<string> {
  const secrets = vault === undefined ? [] : await vault.describe();
  return createHash('sha256')
    .update(JSON.stringify([SCANNER_VERSION, scanner, rules, secrets]))
    .digest('hex')
    .slice(0, 16);
}

async function canaryNeedles({ canaryFile }: ScanJob): Promise<Needle[]> {
  if (canaryFile === undefined) return [];
  const canary = (await readFile(canaryFile, 'utf8')).trim();
  return secretNeedles('canary', canary).map((needle) => ({ ...needle, isCanary: true }));
}

async function vaultNeedles(vault: Vault | undefined): Promise<Needle[]> {
  if (vault === undefined) return [];
  const needles: Needle[] = [];
  for (const name of await vault.list()) needles.push(...secretNeedles(name, (await vault.get(name)).reveal()));
  return needles;
}

async function trustedCommits({ repository, slug }: ScanJob, policy: string): Promise<readonly string[]> {
  return [...(await commitsOfUser(slug)), ...(await cleanCommits(repository, policy))];
}

function actionOf({ rule }: Finding, { rules }: ScanJob): RuleAction {
  return isFixedRule(rule) ? 'refuse' : rules.actions[rule];
}

type JudgedFinding = Finding & { readonly action: RuleAction; readonly commit?: string };

/** Says for the first findings which commit brought them, so that the pusher knows which one to change. */
async function addCommits(findings: readonly JudgedFinding[], refs: readonly PushedRef[]): Promise<JudgedFinding[]> {
  const tips = refs.map((pushed) => pushed.new).filter((id) => !/^0+$/.test(id));
  return await Promise.all(
    findings.map(async (finding, index) => {
      if (index >= LOOKED_UP || finding.object === undefined || finding.rule === 'lfs' || !(await isObject(finding.object))) return finding;
      const found = await askGit([
        'log',
        '--format=%H',
        '--no-patch',
        '--max-count=1',
        '-m',
        '--root',
        '-t',
        `--find-object=${finding.object}`,
        ...tips,
        '--not',
        '--all',
        '--',
      ]);
      const commit = found.toString('latin1').trim().slice(0, 64);
      return commit === '' ? finding : { ...finding, commit };
    }),
  );
}

/** False for an object of Git LFS, which git does not know. */
async function isObject(id: string): Promise<boolean> {
  return !(await askGit(['cat-file', '--batch-check'], `${id}\n`)).toString('latin1').endsWith(' missing\n');
}
