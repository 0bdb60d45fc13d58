/** Runs one suite of attacks and prints its scorecard; the commands of the group `redteam` differ in the suite alone. */
import { TerokError } from '../core/errors.ts';
import type { RowResult, Scorecard, SuiteName } from '../redteam/index.ts';
import type { CommandInput } from './command-table.ts';
import type { CommandContext } from './context.ts';
import { escapeText } from './escape.ts';
import { Interruption } from './terminal/interruption.ts';
import type { Output } from './terminal/output.ts';

const BROKEN = 1;

export async function runSuite(
  suite: SuiteName,
  options: CommandInput<'redteam egress'>['options'],
  { env, output }: CommandContext,
): Promise<number> {
  const { runRedteam } = await import('../redteam/index.ts');
  using interruption = new Interruption({
    say: (text) => output.remark(text),
    atOnce: () => 'Ended at once; the next `terok redteam` removes what is left.',
  });
  const scorecard = await runRedteam({
    suite,
    rows: options.row,
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(options.image === undefined ? {} : { image: options.image }),
    env,
    signal: interruption.signal,
    onProgress: (message) => output.progress.show(message),
  }).catch((error: unknown) => {
    if (!interruption.signal.aborted) throw error;
    throw new TerokError('CANCELLED', 'The attacks were stopped; nothing is left of them.', { cause: error });
  });
  if (options.json) output.printJson(scorecard);
  else printScorecard(scorecard, options.row.length > 0, output);
  return scorecard.counts.broken > 0 ? BROKEN : 0;
}

function printScorecard(scorecard: Scorecard, detailed: boolean, output: Output): void {
  const seconds = (row: RowResult): string => (row.durationMs / 1000).toFixed(1);
  const rows = scorecard.rows.map((row) => [row.id, row.verdict, seconds(row), row.title]);
  output.printTable(['ROW', 'VERDICT', 'SECONDS', 'ATTACK'], rows, 'The suite has no rows.');
  for (const row of scorecard.rows.filter(({ verdict }) => detailed || verdict !== 'held')) {
    output.print(`\n${output.paint('bold', row.id)}  ${escapeText(row.claim)}`);
    if (row.reason !== undefined) output.print(`    ${row.verdict}: ${escapeText(row.reason)}`);
    if (detailed || row.verdict !== 'out of scope') printObservations(row, output);
  }
  for (const note of scorecard.notes) output.print(`\nnote: ${escapeText(note)}`);
  const counts = Object.entries(scorecard.counts).filter(([, count]) => count > 0);
  output.print(`\n${scorecard.backend}: ${counts.map(([verdict, count]) => `${count} ${verdict}`).join(', ')}`);
}

function printObservations({ observations }: RowResult, output: Output): void {
  for (const { kind, what, worked, seen } of observations) {
    const mark = worked === (kind === 'control') ? output.paint('green', 'ok ') : output.paint('red', 'NO ');
    const result = worked ? 'worked' : 'did not work';
    output.print(`    ${mark} ${kind}: ${escapeText(what)}: ${result}${seen === '' ? '' : ` (${escapeText(seen)})`}`);
  }
}
