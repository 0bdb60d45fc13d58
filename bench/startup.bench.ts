// Measures what terok adds to the start of Node: `node bench/startup.bench.ts` prints JSON and fails above the budget.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const ROUNDS = 25;
const BUDGET_RATIO = 2;
const cli = path.join(import.meta.dirname, '../bin/terok.mjs');

const COMMANDS = {
  bare: ['-e', '0'],
  help: [cli, '--help'],
  commandHelp: [cli, 'run', '--help'],
  completions: [cli, 'completions', 'bash'],
} as const;

type CommandName = keyof typeof COMMANDS;

const samples: Record<CommandName, number[]> = { bare: [], help: [], commandHelp: [], completions: [] };
const names = Object.keys(COMMANDS) as CommandName[];

for (const name of names) time(COMMANDS[name]);
// The commands take turns, so that the machine's other work falls on all of them alike.
for (let round = 0; round < ROUNDS; round += 1) for (const name of names) samples[name].push(time(COMMANDS[name]));

const medianMs = Object.fromEntries(names.map((name) => [name, median(samples[name])])) as Record<CommandName, number>;
const ratio = Object.fromEntries(names.map((name) => [name, round(medianMs[name] / medianMs.bare, 2)]));
console.log(
  JSON.stringify({
    bench: 'startup',
    node: process.version,
    rounds: ROUNDS,
    budgetRatio: BUDGET_RATIO,
    medianMs,
    ratio,
    samplesMs: samples,
  }),
);
process.exitCode = medianMs.help / medianMs.bare <= BUDGET_RATIO ? 0 : 1;

function time(args: readonly string[]): number {
  const begin = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return round(performance.now() - begin, 2);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
