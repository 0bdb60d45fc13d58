import type { TaskStatus } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';
import { describeExit } from '../exit-status.ts';
import { formatAge } from '../quantities.ts';
import { describeAge } from '../render/upstream.ts';

export async function execute(input: CommandInput<'status'>, { terok, output }: CommandContext): Promise<number> {
  const status = await (await terok()).status(input.arguments.task);
  if (input.options.json) output.printJson(status);
  else for (const [name, value] of fieldsOf(status)) output.print(`${output.paint('bold', name.padEnd(9))} ${escapeText(value)}`);
  return 0;
}

function fieldsOf(status: TaskStatus): (readonly [string, string])[] {
  const { limits, missingLimits } = status;
  const exit = status.exit === undefined ? [] : [['ended', describeExit(status.exit)] as const];
  return [
    ['task', status.slug],
    ['status', `${status.status} (${status.phase}), gateway ${status.gateway}`],
    ...exit,
    ['agent', status.agent ?? '-'],
    ['backend', status.backend],
    ['image', status.image],
    ['source', status.source],
    ['created', `${status.createdAt} (${formatAge(status.createdAt)})`],
    [
      'limits',
      `${limits.memoryMiB} MiB, ${limits.cpus} cpus, ${limits.pids} pids, ${limits.files} files${limits.diskMiB === undefined ? '' : `, ${limits.diskMiB} MiB of disk`}`,
    ],
    ...(missingLimits.length === 0 ? [] : [['missing', `not enforced here: ${missingLimits.join(', ')}`] as const]),
    ...(status.branch === undefined ? [] : [['branch', status.branch] as const]),
    ...(status.upstream === undefined ? [] : [['upstream', describeAge(status.upstream)] as const]),
    ...status.ports.map(({ address, hostPort, port }) => ['port', `${port} at ${address}:${hostPort}`] as const),
    ...status.routes.map(
      (route) => ['route', `${route.name}: ${route.hosts.join(', ')} ${route.ports.join(', ')} (${route.mode})`] as const,
    ),
    ...status.notes.map((note) => ['note', note] as const),
  ];
}
