import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';

export async function execute({ options }: CommandInput<'image prune'>, { terok, output }: CommandContext): Promise<number> {
  const removed = await (await terok()).images.prune({ all: options.all });
  if (options.json) output.printJson(removed);
  else {
    for (const image of removed) output.print(`removed ${image.reference}`);
    output.remark(`Removed ${removed.length} images.`);
  }
  return 0;
}
