import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { AgentOutput } from '../terminal/agent-output.ts';
import { Interruption } from '../terminal/interruption.ts';

export async function execute(input: CommandInput<'logs'>, { terok, output }: CommandContext): Promise<number> {
  using interruption = new Interruption({ say: () => undefined });
  const stream = await (await terok()).logs(input.arguments.task, { follow: input.options.follow, signal: interruption.signal });
  const sink = new AgentOutput(output.stdout);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (output.stdout.destroyed) break;
    await sink.write(chunk);
  }
  await sink.end();
  return interruption.exitStatus ?? 0;
}
