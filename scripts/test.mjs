// `npm test`: installs what is missing, builds, runs all tests, and ends with `N passed, N failed, N skipped`.
// Arguments go to vitest, and leave out the machines of the lab: `npm test -- --project unit`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from './build.mjs';
import { runShown, toolEnvironment } from './run-step.mjs';
import { ROOT, reportFailure, setUp } from './setup.mjs';

const args = process.argv.slice(2).filter((argument) => argument !== '--yes');

try {
  await setUp({ forTests: true });
  build();
  process.exit(await runTests());
} catch (error) {
  reportFailure(error);
}

async function runTests() {
  const dir = mkdtempSync(path.join(tmpdir(), 'terok-test-'));
  const labIsBuilt = args.length === 0 ? buildLabMeanwhile() : undefined;
  try {
    const steps = [runVitest(path.join(dir, 'vitest.json'))];
    await labIsBuilt;
    if (labIsBuilt !== undefined) steps.push(runMachines(path.join(dir, 'machines.json')));
    const total = printCounts(steps.map(({ counts }) => counts));
    return total.failed > 0 || steps.some(({ status }) => status !== 0) ? 1 : 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function runVitest(file) {
  const argv = ['vitest', 'run', '--reporter', 'default', '--reporter', './scripts/count-reporter.mjs', ...args];
  const status = runShown(argv, { env: { ...toolEnvironment(), TEROK_TEST_COUNTS: file } });
  return { status, counts: countsIn(file) };
}

/** The first build of the lab takes minutes, and the tests leave processors idle. Where it fails, `test-machines.ts` says why. */
function buildLabMeanwhile() {
  const child = spawn('nice', ['-n', '19', 'node', 'tests/lab/build.ts'], { cwd: ROOT, stdio: 'ignore', env: toolEnvironment() });
  return once(child, 'close');
}

function runMachines(file) {
  const status = runShown(['node', 'tests/lab/test-machines.ts', file]);
  return { status, counts: countsIn(file) };
}

/** A run that left no counts counts as a failure. */
function countsIn(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { projects: {}, unhandled: 1 };
}

function printCounts(runs) {
  const projects = Object.assign({}, ...runs.map((run) => run.projects));
  const unhandled = runs.reduce((sum, run) => sum + run.unhandled, 0);
  const total = { passed: 0, failed: unhandled, skipped: 0 };
  for (const [name, counts] of Object.entries(projects)) {
    for (const key of Object.keys(total)) total[key] += counts[key];
    console.log(`${name}: ${line(counts)}`);
    for (const { name: test, reason = 'NO REASON GIVEN' } of counts.skips) console.log(`  skipped: ${test}\n    because ${reason}`);
    // A test that is skipped for no reason might as well be missing.
    total.failed += counts.skips.filter(({ reason }) => reason === undefined).length;
  }
  if (unhandled > 0) console.log(`errors outside any test: ${unhandled}`);
  for (const { name, message } of Object.values(projects).flatMap(({ failures }) => failures))
    console.log(`failed: ${name}\n${indent(message)}`);
  console.log(line(total));
  return total;
}

/** The first lines of a text that may be long. */
function indent(text) {
  return text
    .split('\n', 12)
    .map((one) => `    ${one}`)
    .join('\n');
}

function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
