/*
 * Scope: credentials by their look, with the gitleaks of this host. Out of scope: its rules, which are the ones it was built with.
 * Fail-safe direction: it sees files with names of terok's own in a private directory, so that neither a path, a comment nor a
 * configuration in the push can make it look away; where it fails, the push fails.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { TerokError } from '../../../core/errors.ts';
import { run } from '../../../core/process.ts';
import type { PatternHit, PatternScanner } from './pattern-scanner.ts';
import type { TextSegment } from './text-batch.ts';

const RUN_MS = 5 * 60_000;

interface Leak {
  readonly RuleID?: unknown;
  readonly File?: unknown;
  readonly Secret?: unknown;
}

/** @param directory for the time of a run; made and removed here */
export function createGitleaks(program: string, directory: string): PatternScanner {
  return {
    name: 'gitleaks',
    async scan(segments) {
      const input = path.join(directory, 'input');
      await mkdir(input, { mode: 0o700, recursive: true });
      try {
        await Promise.all(
          segments.map(
            async ({ text }, index) => await writeFile(path.join(input, `${index}.txt`), text, { encoding: 'latin1', mode: 0o600 }),
          ),
        );
        return parseReport(await runGitleaks(program, { input, report: path.join(directory, 'report.json') }), segments);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** The report holds the credentials, so it lies beside the input for as long as it takes to read it. */
async function runGitleaks(program: string, { input, report }: { readonly input: string; readonly report: string }): Promise<string> {
  const options = ['--no-git', '--no-banner', '--ignore-gitleaks-allow', '--exit-code', '0', '--report-format', 'json'];
  const result = await run([program, 'detect', ...options, '--report-path', report, '--source', input], {
    cwd: input,
    env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    timeoutMs: RUN_MS,
  });
  if (result.exitCode === 0) return await readFile(report, 'utf8');
  throw new TerokError('RUNTIME_FAILED', `\`gitleaks\` ended with ${result.signal ?? result.exitCode}, so the push could not be checked.`);
}

function parseReport(report: string, segments: readonly TextSegment[]): PatternHit[] {
  const leaks: unknown = report.trim() === '' ? [] : JSON.parse(report);
  if (!Array.isArray(leaks))
    throw new TerokError('RUNTIME_FAILED', 'The report of `gitleaks` is no list, so the push could not be checked.');
  return (leaks as Leak[]).map(({ RuleID, File, Secret }) => {
    const segment = segments[Number(/(\d+)\.txt$/.exec(String(File))?.[1] ?? Number.NaN)];
    if (segment === undefined || typeof Secret !== 'string')
      throw new TerokError('RUNTIME_FAILED', 'The report of `gitleaks` names a file that it was not given.');
    // gitleaks takes the bytes for UTF-8
    const match = Buffer.from(Secret, 'utf8').toString('latin1');
    return { segment, kind: typeof RuleID === 'string' ? RuleID : 'credential', match, at: Math.max(0, segment.text.indexOf(match)) };
  });
}
