// `npm test`: installs what is missing, builds, runs all tests, and ends with `N passed, N failed, N skipped`.
// Arguments go to vitest: `npm test -- --project unit`.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from './build.mjs';
import { runShown, toolEnvironment } from './run-step.mjs';
import { reportFailure, setUp } from './setup.mjs';

const args = process.argv.slice(2).filter((argument) => argument !== '--yes');

try {
  await setUp({ forTests: true });
  build();
  process.exit(runTests());
} catch (error) {
  reportFailure(error);
}

function runTests() {
  const dir = mkdtempSync(path.join(tmpdir(), 'terok-test-'));
  const file = path.join(dir, 'counts.json');
  try {
    const argv = ['vitest', 'run', '--reporter', 'default', '--reporter', './scripts/count-reporter.mjs', ...args];
    const status = runShown(argv, { env: { ...toolEnvironment(), TEROK_TEST_COUNTS: file } });
    const counts = existsSync(file) ? readFileSync(file, 'utf8') : '{ "projects": {}, "unhandled": 1 }';
    const total = printCounts(JSON.parse(counts));
    return total.failed > 0 ? 1 : status;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function printCounts({ projects, unhandled }) {
  const total = { passed: 0, failed: unhandled, skipped: 0 };
  for (const [name, counts] of Object.entries(projects)) {
    for (const key of Object.keys(total)) total[key] += counts[key];
    console.log(`${name}: ${line(counts)}`);
    for (const { name: test, reason = 'NO REASON GIVEN' } of counts.skips) console.log(`  skipped: ${test}\n    because ${reason}`);
    // A test that is skipped for no reason might as well be missing.
    total.failed += counts.skips.filter(({ reason }) => reason === undefined).length;
  }
  if (unhandled > 0) console.log(`errors outside any test: ${unhandled}`);
  console.log(line(total));
  return total;
}

function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
