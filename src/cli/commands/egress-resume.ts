import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';

export async function execute(input: CommandInput<'egress resume'>, { terok, output }: CommandContext): Promise<number> {
  await (await terok()).egress.resume(input.arguments.task);
  if (input.options.json) output.printJson({ done: 'resumed' });
  else output.remark('The bottle may send again, under the same rules as before.');
  return 0;
}
