import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';

export async function execute(input: CommandInput<'egress answer'>, { terok, output }: CommandContext): Promise<number> {
  const { task, id, answer } = input.arguments;
  await (await terok()).egress.answer(task, id, answer === 'yes');
  if (input.options.json) output.printJson({ id, answer });
  else output.remark(answer === 'yes' ? 'The request goes on.' : 'The request is refused.');
  return 0;
}
