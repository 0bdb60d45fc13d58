import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { formatAge } from '../quantities.ts';

export async function execute({ options }: CommandInput<'list'>, { terok, output }: CommandContext): Promise<number> {
  const tasks = await (await terok()).list();
  if (options.json) output.printJson(tasks);
  else if (options.names) for (const task of tasks) output.print(task.slug);
  else {
    const rows = tasks.map((task) => [
      task.slug,
      task.status === 'missing' ? 'ended' : task.status,
      task.agent ?? '-',
      task.backend,
      String(task.commits ?? 0),
      formatAge(task.createdAt),
      task.source,
    ]);
    output.printTable(['TASK', 'STATUS', 'AGENT', 'BACKEND', 'COMMITS', 'CREATED', 'SOURCE'], rows, 'There are no tasks.');
  }
  return 0;
}
