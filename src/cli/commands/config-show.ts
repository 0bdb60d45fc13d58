import path from 'node:path';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'config show'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const report = await (await terok()).config(path.resolve(cwd, input.arguments.dir ?? '.'));
  if (input.options.json) {
    output.printJson(report);
    return 0;
  }
  const { stringify } = await import('yaml');
  output.print(`# project ${escapeText(report.project)}; files: ${report.files.map(escapeText).join(', ') || 'none'}`);
  output.print(stringify(report.settings).trimEnd());
  for (const [name, origin] of Object.entries(report.origins)) output.print(`# ${escapeText(name)}: ${escapeText(origin)}`);
  for (const { what, how } of report.notGranted) output.print(`# not granted: ${escapeText(what)}; grant it with ${escapeText(how)}`);
  return 0;
}
