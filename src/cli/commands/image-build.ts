import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { formatBytes } from '../quantities.ts';
import { Interruption } from '../terminal/interruption.ts';

export async function execute(input: CommandInput<'image build'>, { terok, output }: CommandContext): Promise<number> {
  using interruption = new Interruption({ say: (text) => output.remark(text) });
  const { backend, force, json } = input.options;
  const images = await (await terok()).images.build({
    agents: input.arguments.agents,
    force,
    signal: interruption.signal,
    onProgress: (event) => output.progress.show(`${event.stage}: ${event.message}`),
    ...(backend === undefined ? {} : { backend }),
  });
  if (json) output.printJson(images);
  else for (const image of images) output.print(`${image.reference}  ${formatBytes(image.bytes)}`);
  return 0;
}
