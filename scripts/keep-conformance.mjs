// Keeps the results of conformance runs in docs/conformance.json, from which docs/backends.md is made. Results of backends that the given
// runs do not have stay. Usage: `vitest run --project conformance --reporter=json --outputFile=FILE`, or for machines
// `TEROK_LAB_RESULTS_DIR=DIR node tests/lab/test-machines.ts COUNTS`, which leaves `DIR/*/report.json`; then
// `node scripts/keep-conformance.mjs FILE…` and `vitest run --project unit tests/unit/docs --update`.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './setup.mjs';

const kept = path.join(ROOT, 'docs/conformance.json');
const files = process.argv.slice(2);
if (files.length === 0) {
  console.error('usage: node scripts/keep-conformance.mjs FILE…');
  process.exit(2);
}

const WORDS = { passed: 'passed', failed: 'failed' };
const results = JSON.parse(readFileSync(kept, 'utf8'));
const ran = new Set();
for (const file of files) {
  const run = JSON.parse(readFileSync(file, 'utf8'));
  const tests = run.testResults.flatMap(({ assertionResults }) => assertionResults);
  for (const { ancestorTitles, title, status } of tests) {
    const [backend] = ancestorTitles[0].split(' ');
    const [id] = title.split(' ');
    const word = WORDS[status] ?? 'skipped';
    // one run skips what another of the same set runs
    if (word === 'skipped' && ran.has(`${backend} ${id}`)) continue;
    if (word !== 'skipped') ran.add(`${backend} ${id}`);
    results[backend] = { ...results[backend], [id]: word };
  }
}
writeFileSync(kept, `${JSON.stringify(results, null, 2)}\n`);
