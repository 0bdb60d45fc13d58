import path from 'node:path';
import type { SyncView } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

const WORDS = {
  rewritten: 'was rewritten by the upstream',
  deleted: 'was deleted by the upstream',
  blocked: 'cannot stand beside another branch of a similar name',
} as const;

export async function execute(input: CommandInput<'git sync'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const report = await (await terok()).git.sync(path.resolve(cwd, input.arguments.dir ?? '.'), input.options.take);
  if (input.options.json) output.printJson(report);
  else for (const line of linesOf(report)) output.print(line);
  return 0;
}

function linesOf(report: SyncView): string[] {
  return [
    `${report.branches} branches; ${report.created.length} new, ${report.forwarded.length} moved forward.`,
    ...(report.head === undefined ? ['The upstream has no default branch.'] : []),
    ...report.pending.map(
      ({ branch, kind, commits }) =>
        `${escapeText(branch)} ${WORDS[kind]}${commits === 0 ? '' : `; ${commits} commits would be left to a backup`}. Take it with \`terok git sync --take ${escapeText(branch)}\`.`,
    ),
    ...report.restore.map((argv) => `Brought back with: ${escapeText(argv.join(' '))}`),
    ...report.retried.map(escapeText),
  ];
}
