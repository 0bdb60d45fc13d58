import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { renderCompletions, type Shell } from '../render/completions.ts';

export function execute(input: CommandInput<'completions'>, { output }: CommandContext): Promise<number> {
  output.print(renderCompletions(input.arguments.shell as Shell).trimEnd());
  return Promise.resolve(0);
}
