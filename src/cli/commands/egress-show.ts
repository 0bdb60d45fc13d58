import type { Terok } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { readTarget } from '../egress-input.ts';
import { escapeText } from '../escape.ts';
import { limitsOf, targetsOf } from '../render/egress.ts';
import type { Output } from '../terminal/output.ts';

export async function execute(input: CommandInput<'egress show'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const target = readTarget(input.arguments.target ?? '.', cwd);
  const { egress } = await terok();
  if (input.options.versions) {
    const versions = await egress.versions(target);
    if (input.options.json) output.printJson(versions);
    else printVersions(output, versions);
    return 0;
  }
  const report = await egress.show(target);
  if (input.options.json) output.printJson(report);
  else printReport(output, report);
  return 0;
}

function printReport(output: Output, { of, rules, blocks, notGranted }: Awaited<ReturnType<Terok['egress']['show']>>): void {
  const rows = rules.map(({ name, origin, route }) => [name, targetsOf(route), route.mode, limitsOf(route), origin]);
  output.printTable(['RULE', 'HOSTS', 'MODE', 'ALLOWS', 'FROM'], rows, `The ${of} reaches nothing.`);
  for (const { host, port, origin } of blocks)
    output.print(`blocked: ${escapeText(`${host}${port === undefined ? '' : `:${port}`}`)} (${escapeText(origin)})`);
  for (const { what, how } of notGranted)
    output.remark(`The repository asks for ${escapeText(what)}, which is not granted: ${escapeText(how)}`);
}

function printVersions(output: Output, versions: Awaited<ReturnType<Terok['egress']['versions']>>): void {
  if (versions.length === 0) output.remark('Nothing was allowed or denied on the command line.');
  for (const { of, number, at, reason, rules } of versions) {
    output.print(`${of} ${number}  ${at}  ${escapeText(reason)}`);
    for (const rule of rules) output.print(`    ${escapeText(rule)}`);
  }
}
