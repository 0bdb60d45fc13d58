import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'discard'>, { terok, output }: CommandContext): Promise<number> {
  const { task } = input.arguments;
  await (await terok()).discard(task);
  if (input.options.json) output.printJson({ task, done: 'discard' });
  else output.remark(`Threw the work of ${escapeText(task)} away.`);
  return 0;
}
