import path from 'node:path';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { printUpstream } from '../render/upstream.ts';

export async function execute(input: CommandInput<'git upstream show'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const view = await (await terok()).git.upstream(path.resolve(cwd, input.arguments.dir ?? '.'));
  printUpstream(view, input.options.json, output);
  return 0;
}
