import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { runSuite } from '../redteam.ts';

export async function execute({ options }: CommandInput<'redteam git'>, context: CommandContext): Promise<number> {
  return await runSuite('git', options, context);
}
