import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { formatAge } from '../quantities.ts';

export async function execute({ options }: CommandInput<'secret list'>, { terok, output }: CommandContext): Promise<number> {
  const secrets = await (await terok()).secrets.list();
  if (options.json) output.printJson(secrets);
  else {
    const rows = secrets.map((secret) => [secret.name, formatAge(secret.updatedAt)]);
    output.printTable(['SECRET', 'STORED'], rows, 'There are no secrets; `terok agent list` shows which ones the agents use.');
  }
  return 0;
}
