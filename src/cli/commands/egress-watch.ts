import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { decisionLines } from '../render/egress.ts';
import { Interruption } from '../terminal/interruption.ts';

export async function execute(input: CommandInput<'egress watch'>, { terok, output }: CommandContext): Promise<number> {
  using interruption = new Interruption({ say: () => undefined });
  const { egress } = await terok();
  for await (const entry of egress.watch(input.arguments.task, { signal: interruption.signal })) {
    if (output.stdout.destroyed) break;
    if (input.options.denied && entry.decision === 'allow') continue;
    if (input.options.json) output.print(JSON.stringify(entry));
    else for (const line of decisionLines(output, entry)) output.print(line);
  }
  return 0;
}
