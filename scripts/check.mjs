// Everything that a change must pass beside the tests: format, lint, types, layers, unused code, generated files.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { runCaptured } from './run-step.mjs';
import { ROOT, reportFailure, setUp } from './setup.mjs';

const generators = readdirSync(path.join(ROOT, 'scripts')).filter((name) => /^generate-.*\.mjs$/.test(name));

const CHECKS = [
  { name: 'format', argv: ['biome', 'ci', '.'] },
  { name: 'types', argv: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'lint', argv: ['oxlint', '--deny-warnings', '.'] },
  { name: 'layers', argv: ['node', '--disable-warning=ExperimentalWarning', 'scripts/check-layers.mjs'] },
  { name: 'unused code', argv: ['knip', '--no-progress'] },
  { name: 'lock file', argv: ['node', 'scripts/complete-lock.mjs', '--check'] },
  ...generators.map((name) => ({
    name: `fresh: ${name.slice('generate-'.length, -'.mjs'.length)}`,
    argv: ['node', `scripts/${name}`, '--check'],
  })),
];

try {
  await setUp();
  const results = [];
  for (const { name, argv } of CHECKS) {
    const begin = performance.now();
    const { status, text } = await runCaptured(argv);
    if (status !== 0) console.log(`--- ${name}: ${argv.join(' ')}\n${text.trim()}\n`);
    results.push({ name, status, seconds: (performance.now() - begin) / 1000 });
  }
  for (const { name, status, seconds } of results)
    console.log(`${status === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(24)} ${seconds.toFixed(1)} s`);
  process.exit(results.every(({ status }) => status === 0) ? 0 : 1);
} catch (error) {
  reportFailure(error);
}
