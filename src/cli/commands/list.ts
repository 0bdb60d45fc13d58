import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { formatAge } from '../quantities.ts';
import { shortAge } from '../render/upstream.ts';

export async function execute({ options }: CommandInput<'list'>, { terok, output }: CommandContext): Promise<number> {
  const tasks = await (await terok()).list();
  if (options.json) output.printJson(tasks);
  else if (options.names) for (const task of tasks) output.print(task.slug);
  else {
    const hasUpstream = tasks.some((task) => task.upstream !== undefined);
    const published = tasks.some(({ ports }) => ports.length > 0);
    const rows = tasks.map((task) => [
      task.slug,
      `${task.status === 'missing' ? 'ended' : task.status}${task.sentCanary ? ', sent its canary' : ''}`,
      task.agent ?? '-',
      task.backend,
      String(task.commits ?? 0),
      formatAge(task.createdAt),
      ...(hasUpstream ? [task.upstream === undefined ? '-' : shortAge(task.upstream)] : []),
      ...(published ? [task.ports.map(({ address, hostPort }) => `${address}:${hostPort}`).join(', ') || '-'] : []),
      task.source,
    ]);
    const more = [...(hasUpstream ? ['UPSTREAM'] : []), ...(published ? ['PORTS'] : [])];
    output.printTable(['TASK', 'STATUS', 'AGENT', 'BACKEND', 'COMMITS', 'CREATED', ...more, 'SOURCE'], rows, 'There are no tasks.');
  }
  return 0;
}
