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
  const { task, agent, image, imageId, approver, approvedAt, review, egress } = statement;
  output.print(
    `${statement.commit.slice(0, 12)} was made by the task ${escapeText(task)}${agent === undefined ? '' : ` with ${escapeText(agent)}`}.`,
  );
  output.print(`  image     ${escapeText(image)}${imageId === undefined ? '' : ` (${escapeText(imageId)})`}`);
  output.print(`  approved  by ${escapeText(approver.user)} on ${escapeText(approver.host)}, ${approvedAt}, review ${review.slice(0, 16)}`);
  const { hosts, decisions } = egress;
  const counts = decisions === undefined ? '' : `; ${decisions.allowed} let through, ${decisions.denied} refused`;
  output.print(`  network   ${hosts.length === 0 ? 'no host' : escapeText(hosts.join(', '))}${counts}`);
  return 0;
}
