import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { formatAge, formatBytes } from '../quantities.ts';

export async function execute({ options }: CommandInput<'image list'>, { terok, output }: CommandContext): Promise<number> {
  const images = await (await terok()).images.list();
  if (options.json) output.printJson(images);
  else {
    const rows = images.map((image) => [
      image.reference,
      image.layer,
      image.agents.join(', ') || '-',
      formatBytes(image.bytes),
      formatAge(image.createdAt),
    ]);
    output.printTable(
      ['IMAGE', 'LAYER', 'AGENTS', 'SIZE', 'CREATED'],
      rows,
      'There are no images; `terok image build` makes the base image.',
    );
  }
  return 0;
}
