import type { BackendReport } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute({ options }: CommandInput<'backend list'>, { terok, output }: CommandContext): Promise<number> {
  const reports = await (await terok()).backends();
  if (options.json) {
    output.printJson(reports);
    return 0;
  }
  const rows = reports.map((report) => [report.isDefault ? `${report.name} (default)` : report.name, report.isolation, stateOf(report)]);
  output.printTable(['BACKEND', 'ISOLATION', 'STATE'], rows, 'There are no backends.');
  for (const { name, probe } of reports) {
    const findings = probe.state === 'available' ? probe.notes : probe.findings;
    for (const finding of findings) output.print(`${name}: ${escapeText(finding.message)}\n  ${escapeText(finding.fix)}`);
  }
  return 0;
}

function stateOf({ probe }: BackendReport): string {
  return probe.state === 'available' ? `usable, version ${probe.version}` : probe.state;
}
