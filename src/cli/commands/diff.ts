import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { renderDiff } from '../render/diff.ts';
import { writeAll } from '../terminal/output.ts';

/** On a terminal the diff is coloured and its control characters are shown as codes; elsewhere it is given byte for byte, as `git apply` needs it. */
export async function execute(input: CommandInput<'diff'>, { terok, output }: CommandContext): Promise<number> {
  const diff = await (await terok()).diff(input.arguments.task);
  const parts = output.stdout.isTTY === true ? renderDiff(diff, output) : diff;
  for await (const part of parts) {
    if (output.stdout.destroyed) break;
    await writeAll(output.stdout, part);
  }
  return 0;
}
