import { askApproval } from '../ask-approval.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'apply'>, context: CommandContext): Promise<number> {
  const { output } = context;
  const { task } = input.arguments;
  const { ref, approve, provenance, json } = input.options;
  const api = await context.terok();
  const digest = approve ?? (await askApproval({ terok: api, task, ref, question: 'Take this into your repository?', json }, context));
  const report = await api.apply(task, {
    ...(ref === undefined ? {} : { ref }),
    ...(digest === undefined ? {} : { approve: digest }),
    provenance,
  });
  if (json) {
    output.printJson(report);
    return 0;
  }
  if (report.branch !== undefined) output.print(`Branch ${escapeText(report.branch)} has ${report.commits.length} new commits.`);
  else output.print(`Changed ${report.files.length} files:`);
  for (const commit of report.commits) output.print(`  ${commit.id.slice(0, 10)} ${escapeText(commit.subject)}`);
  if (report.branch === undefined) for (const file of report.files) output.print(`  ${file.change} ${escapeText(file.path)}`);
  return 0;
}
