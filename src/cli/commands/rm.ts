import { TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'rm'>, { terok, output }: CommandContext): Promise<number> {
  const { tasks } = input.arguments;
  if (tasks.length === 0)
    throw new TerokError('USAGE', '`terok rm` needs at least one task.', { hint: 'List the tasks with `terok list`.' });
  const api = await terok();
  for (const task of tasks) {
    await api.remove(task, { force: input.options.force });
    if (!input.options.json) output.remark(`Removed ${escapeText(task)}.`);
  }
  if (input.options.json) output.printJson({ tasks, done: 'rm' });
  return 0;
}
