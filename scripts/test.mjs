// `npm test`: installs what is missing, builds, runs all tests, and ends with `N passed, N failed, N skipped`.
// Arguments go to vitest, and leave out the machines of the lab: `npm test -- --project unit`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { build } from './build.mjs';
import { toolEnvironment } from './run-step.mjs';
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
  try {
    const machines = args.length === 0 ? startMachines(path.join(dir, 'machines.json')) : undefined;
    const steps = [await runVitest(path.join(dir, 'vitest.json'))];
    if (machines !== undefined) steps.push(await machines.end());
    const total = printCounts(steps.map(({ counts }) => counts));
    return total.failed > 0 || steps.some(({ status }) => status !== 0) ? 1 : 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function runVitest(file) {
  const argv = ['run', '--reporter', 'default', '--reporter', './scripts/count-reporter.mjs', ...args];
  return ended(start('vitest', argv, { stdio: 'inherit', env: { TEROK_TEST_COUNTS: file } }), file);
}

/**
 * Tests of machines in the lab take what the other tests leave of the processors; a host that makes machines itself keeps them until its
 * standard input ends, because some of the others watch all of the host. What they print is shown at the end.
 */
function startMachines(file) {
  const shown = new PassThrough({ highWaterMark: 2 ** 30 });
  const child = start('nice', ['-n', '19', 'node', 'tests/lab/test-machines.ts', file], { stdio: ['pipe', 'pipe', 'pipe'] });
  for (const output of [child.stdout, child.stderr]) output.pipe(shown, { end: false });
  const result = ended(child, file);
  console.log('The tests of machines run beside the others; what they print comes after them.');
  return {
    async end() {
      child.stdin.end();
      shown.pipe(process.stdout);
      return await result;
    },
  };
}

function start(program, argv, { stdio, env = {} }) {
  const child = spawn(program, argv, { cwd: ROOT, stdio, env: { ...toolEnvironment(), ...env } });
  // a terminal interrupts every process itself
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return child;
}

async function ended(child, file) {
  const [status] = await once(child, 'close');
  return { status: status ?? 1, counts: countsIn(file) };
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
