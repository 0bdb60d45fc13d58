import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { readHost, readScope, reasonOf } from '../egress-input.ts';
import { printChange } from '../render/egress.ts';

export async function execute(input: CommandInput<'egress deny'>, { terok, output, cwd, argv }: CommandContext): Promise<number> {
  const { options } = input;
  const change = await (await terok()).egress.deny({
    target: readScope(input.arguments.target, options.project, cwd),
    ...readHost(input.arguments.host),
    undo: options.undo,
    reason: reasonOf(argv),
  });
  if (options.json) output.printJson(change);
  else {
    if (options.undo) output.remark('Took the block back.');
    printChange(output, change);
  }
  return 0;
}
