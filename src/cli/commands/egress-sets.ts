import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';
import { limitsOf, targetsOf } from '../render/egress.ts';

export async function execute({ options }: CommandInput<'egress sets'>, { terok, output }: CommandContext): Promise<number> {
  const sets = await (await terok()).egress.sets();
  if (options.json) {
    output.printJson(sets);
    return 0;
  }
  for (const { name, title, routes, from, skipped } of sets) {
    output.print(`${output.paint('bold', name)}  ${escapeText(title)}`);
    for (const route of routes) output.print(`    ${escapeText(targetsOf(route))} (${escapeText(limitsOf(route))})`);
    for (const { host, from: file } of from) output.print(`    ${escapeText(host)} is named by ${escapeText(file)}`);
    for (const { address, from: file, why } of skipped)
      output.print(`    left out: ${escapeText(address)} of ${escapeText(file)}: ${escapeText(why)}`);
  }
  output.remark('Turn them on in the configuration: `egress.sets: [npm, …]`.');
  return 0;
}
