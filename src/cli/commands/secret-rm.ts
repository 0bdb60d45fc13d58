import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'secret rm'>, { terok, output }: CommandContext): Promise<number> {
  const { name } = input.arguments;
  await (await terok()).secrets.remove(name);
  if (input.options.json) output.printJson({ name, done: 'rm' });
  else output.remark(`Removed \`${escapeText(name)}\`.`);
  return 0;
}
