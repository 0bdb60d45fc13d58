// `node tests/lab/test-machines.ts FILE`: runs the tests of machines in the lab, where an unusable krun is a failure, and writes their counts
// to FILE in the form of `scripts/count-reporter.mjs`. The suites run beside each other, each in an emulated machine of its own; their reports
// are kept in the directory that TEROK_LAB_RESULTS_DIR names.
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../src/core/index.ts';
import { baseImage } from './base-image.ts';
import type { LabWork } from './build-lab.ts';
import { endWithSignal } from './end-with-signal.ts';
import { whyNoLab } from './programs.ts';
import { type PreparedLab, prepareLab, runInLab } from './run-in-lab.ts';

interface Skip {
  readonly name: string;
  readonly reason?: string;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skips: readonly Skip[];
}

interface Report {
  readonly projects: Readonly<Record<string, Counts>>;
  readonly unhandled: number;
}

interface Suite {
  readonly name: string;
  readonly tests: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const CONFORMANCE = ['--project', 'conformance', 'tests/conformance/krun.test.ts'];
/** Every suite in a machine of its own; there are processors for two. */
const SUITES: readonly Suite[] = [{ name: 'krun conformance', tests: CONFORMANCE, env: { TEROK_CONFORMANCE_HALF: 'shared' } }];
const DEADLINE_MS = Number(process.env.TEROK_LAB_DEADLINE_S ?? 600) * 1000;

const file = process.argv[2];
if (file === undefined) {
  console.error('usage: node tests/lab/test-machines.ts FILE');
  process.exit(2);
}
await writeFile(file, JSON.stringify(await testMachines()));

async function testMachines(): Promise<Report> {
  const reason = await whyNoLab();
  if (reason !== undefined) return notRun(`no lab: ${reason}`);
  const work = { onStep: (message: string): void => console.log(`lab: ${message}`), signal: endWithSignal() };
  const image = await baseImage(work.onStep);
  const lab = await prepareLab([image], work).catch((error: unknown) => {
    work.signal.throwIfAborted();
    return `the lab could not be built: ${error instanceof Error ? error.message : String(error)}`;
  });
  if (typeof lab === 'string') return notRun(lab);
  const reports = await Promise.all(SUITES.map((suite) => runTwice(suite, image, lab, work)));
  return {
    projects: Object.fromEntries(SUITES.map(({ name }, index) => [name, countsOf(reports[index])])),
    unhandled: reports.reduce((sum, report) => sum + (report?.unhandled ?? 0), 0),
  };
}

/** An emulated machine that ended without counts, which is its own fault, gets a second try. */
async function runTwice(...[suite, image, lab, work]: Parameters<typeof runSuite>): Promise<Report | undefined> {
  return (await runSuite(suite, image, lab, work)) ?? (await runSuite(suite, image, lab, work));
}

/** Undefined where the lab gave no counts. */
async function runSuite(suite: Suite, image: string, lab: PreparedLab, work: LabWork): Promise<Report | undefined> {
  const json = ['--reporter', 'json', '--outputFile', '/run/results/report.json'];
  const reporters = ['--reporter', 'verbose', '--reporter', './scripts/count-reporter.mjs', ...json];
  const { name, tests } = suite;
  const counts = { TEROK_TEST_COUNTS: '/run/results/counts.json' };
  const env = { TEROK_TEST_IMAGE: image, TEROK_REQUIRE_KRUN: '1', TEROK_TEST_SIZE_DIVISOR: '64', ...counts, ...suite.env };
  const request = {
    argv: ['vitest', 'run', '--configLoader', 'runner', ...reporters, ...tests],
    env,
    deadlineMs: DEADLINE_MS,
    onLine: (line: string): void => console.log(`${name} | ${line}`),
  };
  return await runInLab(lab, request, work, async ({ results, console: log }) => {
    const keep = process.env.TEROK_LAB_RESULTS_DIR;
    if (keep !== undefined) await cp(results, path.join(keep, name), { recursive: true });
    const text = await ignoreCodes(['ENOENT'], () => readFile(path.join(results, 'counts.json'), 'utf8'));
    if (text !== undefined) return JSON.parse(text) as Report;
    console.log(`${name} | the lab gave no counts; its console ends with\n${(await readFile(log, 'utf8')).slice(-4000)}`);
    return undefined;
  });
}

/** The projects of one run together; no counts are a failure. */
function countsOf(report: Report | undefined): Counts {
  const all = Object.values(report?.projects ?? {});
  const sum = (key: 'passed' | 'failed' | 'skipped'): number => all.reduce((total, counts) => total + counts[key], 0);
  return {
    passed: sum('passed'),
    failed: sum('failed') + (report === undefined ? 1 : 0),
    skipped: sum('skipped'),
    skips: all.flatMap(({ skips }) => skips),
  };
}

/** A skip with its reason: what speaks against the lab says nothing about machines. */
function notRun(reason: string): Report {
  return { projects: { krun: { passed: 0, failed: 0, skipped: 1, skips: [{ name: 'machines', reason }] } }, unhandled: 0 };
}
