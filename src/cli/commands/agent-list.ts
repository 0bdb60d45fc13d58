import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';

export async function execute({ options }: CommandInput<'agent list'>, { terok, output }: CommandContext): Promise<number> {
  const agents = await (await terok()).agents();
  if (options.json) output.printJson(agents);
  else {
    const rows = agents.map((agent) => [
      agent.name,
      agent.title,
      agent.secrets.map((secret) => `${secret.name} (${secret.stored ? 'stored' : 'missing'})`).join(', ') || '-',
      agent.hosts.join(', ') || '-',
      agent.origin,
    ]);
    output.printTable(['AGENT', 'TITLE', 'SECRETS', 'HOSTS', 'FROM'], rows, 'There are no agents.');
  }
  return 0;
}
