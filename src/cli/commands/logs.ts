import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { Interruption } from '../terminal/interruption.ts';
import { writeAll } from '../terminal/output.ts';

export async function execute(input: CommandInput<'logs'>, { terok, output }: CommandContext): Promise<number> {
  using interruption = new Interruption(() => undefined);
  const stream = await (await terok()).logs(input.arguments.task, { follow: input.options.follow, signal: interruption.signal });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (output.stdout.destroyed) break;
    await writeAll(output.stdout, chunk);
  }
  return interruption.exitStatus ?? 0;
}
