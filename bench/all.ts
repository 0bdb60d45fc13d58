/**
 * Runs every bench, one after the other, keeps what each printed in bench/results, and writes docs/performance.md from it.
 * Usage: node bench/all.ts [name …]; without names all; `report` alone only writes the page. Needs root, Podman and a build.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import path from 'node:path';
import { renderReport } from './report.ts';
import { describeMachine, round } from './summary.ts';

const NAMES = ['startup', 'run', 'exec', 'gateway', 'egress', 'data-loss', 'git', 'review'] as const;
const RESULTS = path.join(import.meta.dirname, 'results');
const PAGE = path.join(import.meta.dirname, '../docs/performance.md');
const TIMEOUT_MS = 40 * 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

const wanted = process.argv.slice(2);
const failed = NAMES.filter((name) => wanted.length === 0 || wanted.includes(name)).filter((name) => !measure(name));
writeFileSync(PAGE, renderReport(RESULTS));
if (failed.length > 0) {
  console.error(`These benches failed: ${failed.join(', ')}.`);
  process.exitCode = 1;
}

/** A bench that misses its budget ends with another exit code than 0 and still prints its figures. */
function measure(name: string): boolean {
  console.error(`bench: ${name}`);
  const machine = describeMachine();
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(import.meta.dirname, `${name}.bench.ts`)], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  try {
    const figures = JSON.parse(stdout) as Record<string, unknown>;
    mkdirSync(RESULTS, { recursive: true });
    const whole = { ...figures, machine: { ...machine, loadAfter: loadavg().map(round) } };
    writeFileSync(path.join(RESULTS, `${name}.json`), `${JSON.stringify(whole, null, 2)}\n`);
    return true;
  } catch {
    console.error(stderr === '' ? stdout : stderr);
    return false;
  }
}
