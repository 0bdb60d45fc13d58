// `node tests/lab/test-machines.ts FILE`: runs the tests of machines, where an unusable krun is a failure, and writes their counts to FILE in
// the form of `scripts/count-reporter.mjs`: in the lab, or on this host where it can run machines, which begins when standard input ends. In the
// lab each suite has an emulated machine of its own, and there are processors for two of them at a time; reports are kept in the directory that
// TEROK_LAB_RESULTS_DIR names. TEROK_LAB_SUITES names the suites to run by words of their names, separated by commas.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ignoreCodes } from '../../src/core/index.ts';
import { agentImage, baseImage } from '../support/base-image.ts';
import type { LabWork } from './build-lab.ts';
import { endWithSignal } from './end-with-signal.ts';
import { canRunMachines } from './host-machines.ts';
import { joinReports, notRun, type Report } from './machine-report.ts';
import { AGENT, type MachineSuite, machineSuites } from './machine-suites.ts';
import { whyNoLab } from './programs.ts';
import { prepareLab, runInLab } from './run-in-lab.ts';

type RunSuite = (suite: MachineSuite, env: Readonly<Record<string, string>>) => Promise<Report | undefined>;

const AT_A_TIME = 2;
const DEADLINE_MS = Number(process.env.TEROK_LAB_DEADLINE_S ?? 2400) * 1000;

const file = process.argv[2];
if (file === undefined) {
  console.error('usage: node tests/lab/test-machines.ts FILE');
  process.exit(2);
}
const suites = machineSuites(process.env.TEROK_LAB_SUITES?.split(','));
await writeFile(file, JSON.stringify(await testMachines()));

async function testMachines(): Promise<Report> {
  const work = { onStep: (message: string): void => console.log(`lab: ${message}`), signal: endWithSignal() };
  if (await canRunMachines()) {
    await hostIsFree();
    return await runSuites(1, await imagesFor(work), runHere);
  }
  const reason = await whyNoLab();
  if (reason !== undefined) return notRun(`no lab: ${reason}`);
  const images = await imagesFor(work);
  return await runSuites(AT_A_TIME, images, await inLab(Object.values(images), work));
}

async function hostIsFree(): Promise<void> {
  if (!process.stdin.isTTY) await once(process.stdin.resume(), 'end');
}

/** Images of bottles by the variables that name them to the tests. */
async function imagesFor({ onStep }: LabWork): Promise<Record<string, string>> {
  const needsAgent = suites.some(({ env }) => env?.TEROK_TEST_AGENT !== undefined);
  const agent = needsAgent ? { TEROK_TEST_AGENT_IMAGE: await agentImage(AGENT, onStep) } : {};
  return { TEROK_TEST_IMAGE: await baseImage(onStep), ...agent };
}

async function runSuites(atATime: number, images: Readonly<Record<string, string>>, run: RunSuite): Promise<Report> {
  const reports = new Map<string, Report | undefined>();
  const waiting = [...suites];
  const runNext = async (): Promise<void> => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift())
      reports.set(suite.name, await run(suite, { ...images, TEROK_REQUIRE_KRUN: '1', ...suite.env }));
  };
  await Promise.all(Array.from({ length: atATime }, runNext));
  return joinReports(reports);
}

/** Reporters of a run that leaves `counts.json` and `report.json` in a directory, and the variable that they need. */
function reporting(dir: string): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const json = ['--reporter', 'json', '--outputFile', path.join(dir, 'report.json')];
  const argv = ['--reporter', 'verbose', '--reporter', './scripts/count-reporter.mjs', ...json];
  return { argv, env: { TEROK_TEST_COUNTS: path.join(dir, 'counts.json') } };
}

/** Counts of the run, which are kept where that is wished; undefined where it left none. */
async function takeReport(dir: string, name: string): Promise<Report | undefined> {
  const keep = process.env.TEROK_LAB_RESULTS_DIR;
  if (keep !== undefined) await cp(dir, path.join(keep, name), { recursive: true });
  const text = await ignoreCodes(['ENOENT'], () => readFile(path.join(dir, 'counts.json'), 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as Report);
}

async function runHere({ name, tests }: MachineSuite, env: Readonly<Record<string, string>>): Promise<Report | undefined> {
  const dir = await mkdtemp(path.join(tmpdir(), 'terok-machines-'));
  try {
    const { argv, env: counts } = reporting(dir);
    const child = spawn('vitest', ['run', ...argv, ...tests], { stdio: 'inherit', env: { ...process.env, ...env, ...counts } });
    await once(child, 'close');
    return await takeReport(dir, name);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** An emulated machine that ended early without counts, which is its own fault, gets a second try. */
async function inLab(images: readonly string[], work: LabWork): Promise<RunSuite> {
  const lab = await prepareLab(images, work);
  const { argv, env: counts } = reporting('/run/results');
  const run: RunSuite = ({ name, tests }, env) => {
    const request = {
      argv: ['vitest', 'run', '--configLoader', 'runner', ...argv, ...tests],
      env: { TEROK_TEST_SIZE_DIVISOR: '64', ...env, ...counts },
      deadlineMs: DEADLINE_MS,
      onLine: (line: string): void => console.log(`${name} | ${line}`),
    };
    return runInLab(lab, request, work, async ({ results, console: log }) => {
      const report = await takeReport(results, name);
      if (report === undefined)
        console.log(`${name} | the lab gave no counts; its console ends with\n${(await readFile(log, 'utf8')).slice(-4000)}`);
      return report;
    });
  };
  return async (suite, env) => {
    const begin = performance.now();
    const report = await run(suite, env);
    return report ?? (performance.now() - begin < DEADLINE_MS / 2 ? await run(suite, env) : undefined);
  };
}
