import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';
import { Interruption } from '../terminal/interruption.ts';

export async function execute(input: CommandInput<'stop'>, { terok, output }: CommandContext): Promise<number> {
  const { task } = input.arguments;
  using interruption = new Interruption({ say: (text) => output.remark(text) });
  await (await terok()).stop(task, { signal: interruption.signal });
  if (input.options.json) output.printJson({ task, done: 'stop' });
  else output.remark(`Stopped ${escapeText(task)}.`);
  return 0;
}
