// `node tests/lab/test-machines.ts FILE`: runs the tests of machines in the lab, where an unusable krun is a failure, and writes their counts
// to FILE in the form of `scripts/count-reporter.mjs`. Each suite has an emulated machine of its own, and there are processors for two of them
// at a time; reports are kept in the directory that TEROK_LAB_RESULTS_DIR names.
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

const conformance = (name: string, half: string, shard: string): Suite => ({
  name: `krun conformance, ${name}`,
  tests: ['--project', 'conformance', 'tests/conformance/krun.test.ts'],
  env: { TEROK_CONFORMANCE_HALF: half, TEROK_CONFORMANCE_SHARD: shard },
});
const ALL: readonly Suite[] = [
  conformance('one machine, first half', 'shared', '1/2'),
  conformance('one machine, second half', 'shared', '2/2'),
  conformance('own machines, first half', 'own', '1/2'),
  conformance('own machines, second half', 'own', '2/2'),
  { name: 'krun red team', tests: ['--project', 'integration', 'tests/redteam/sealed-machine.test.ts'] },
];
/** TEROK_LAB_SUITES names those to run by words of their names, separated by commas; all by default. */
const wanted = process.env.TEROK_LAB_SUITES?.split(',');
const SUITES = ALL.filter(({ name }) => wanted === undefined || wanted.some((word) => name.includes(word)));
const AT_A_TIME = 2;
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
  if (typeof lab === 'string') return notBuilt(lab);
  const reports = new Map<string, Report | undefined>();
  const waiting = [...SUITES];
  const runNext = async (): Promise<void> => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift())
      reports.set(suite.name, await runTwice(suite, image, lab, work));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, runNext));
  return {
    projects: Object.fromEntries(SUITES.map(({ name }) => [name, countsOf(reports.get(name))])),
    unhandled: [...reports.values()].reduce((sum, report) => sum + (report?.unhandled ?? 0), 0),
  };
}

/** An emulated machine that ended early without counts, which is its own fault, gets a second try. */
async function runTwice(...[suite, image, lab, work]: Parameters<typeof runSuite>): Promise<Report | undefined> {
  const begin = performance.now();
  const report = await runSuite(suite, image, lab, work);
  return report ?? (performance.now() - begin < DEADLINE_MS / 2 ? await runSuite(suite, image, lab, work) : undefined);
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

/** In CI everything that the lab needs has been installed, and one that cannot be built is a failure. */
function notBuilt(reason: string): Report {
  if (process.env.CI !== 'true') return notRun(reason);
  console.error(reason);
  return { projects: { krun: { passed: 0, failed: 1, skipped: 0, skips: [] } }, unhandled: 0 };
}
