import path from 'node:path';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';

export async function execute(input: CommandInput<'git key'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const key = await (await terok()).git.key(path.resolve(cwd, input.arguments.dir ?? '.'));
  if (input.options.json) output.printJson({ key });
  else {
    output.print(key);
    output.remark('Add it to the repository of the upstream as a deploy key that may write.');
  }
  return 0;
}
