import path from 'node:path';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'provenance verify'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const { commit = 'HEAD', dir = '.' } = input.arguments;
  const statement = await (await terok()).verifyProvenance(path.resolve(cwd, dir), commit);
  if (input.options.json) {
    output.printJson(statement);
    return 0;
  }
  const { task, agent, image, approver, approvedAt, review, egress } = statement;
  output.print(
    `${statement.commit.slice(0, 12)} was made by the task ${escapeText(task)}${agent === undefined ? '' : ` with ${escapeText(agent)}`}.`,
  );
  output.print(`  image     ${escapeText(image)}`);
  output.print(`  approved  by ${escapeText(approver.user)} on ${escapeText(approver.host)}, ${approvedAt}, review ${review.slice(0, 16)}`);
  output.print(`  reached   ${egress.hosts.length === 0 ? 'nothing' : escapeText(egress.hosts.join(', '))}`);
  return 0;
}
