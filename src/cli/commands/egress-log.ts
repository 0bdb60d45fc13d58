import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { parseCount } from '../quantities.ts';
import { decisionLines } from '../render/egress.ts';

const DEFAULT_LIMIT = 50;

export async function execute(input: CommandInput<'egress log'>, { terok, output }: CommandContext): Promise<number> {
  const { denied, limit, json } = input.options;
  const entries = await (await terok()).egress.log(input.arguments.task, {
    deniedOnly: denied,
    limit: limit === undefined ? DEFAULT_LIMIT : parseCount('--limit', limit, true),
  });
  if (json) output.printJson(entries);
  else if (entries.length === 0) output.remark('Nothing was decided yet.');
  else for (const entry of entries) for (const line of decisionLines(output, entry)) output.print(line);
  return 0;
}
