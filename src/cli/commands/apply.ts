import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'apply'>, { terok, output }: CommandContext): Promise<number> {
  const report = await (await terok()).apply(input.arguments.task);
  if (input.options.json) {
    output.printJson(report);
    return 0;
  }
  if (report.branch !== undefined) output.print(`Branch ${escapeText(report.branch)} has ${report.commits.length} new commits.`);
  else output.print(`Changed ${report.files.length} files:`);
  for (const commit of report.commits) output.print(`  ${commit.id.slice(0, 10)} ${escapeText(commit.subject)}`);
  if (report.branch === undefined) for (const file of report.files) output.print(`  ${file.change} ${escapeText(file.path)}`);
  return 0;
}
