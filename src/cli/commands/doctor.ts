import type { DoctorFinding } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

/** Ends with 122 when something is missing that a task needs. */
export async function execute({ options }: CommandInput<'doctor'>, { terok, output }: CommandContext): Promise<number> {
  const findings = await (await terok()).doctor();
  if (options.json) output.printJson(findings);
  else {
    const marks = { ok: output.paint('green', 'ok'), note: output.paint('yellow', 'note'), problem: output.paint('red', 'problem') };
    for (const finding of findings) output.print(lineOf(finding, marks));
  }
  return findings.some((finding) => finding.severity === 'problem') ? 122 : 0;
}

function lineOf(finding: DoctorFinding, marks: Readonly<Record<DoctorFinding['severity'], string>>): string {
  const fix = finding.fix === undefined ? '' : `\n    ${escapeText(finding.fix)}`;
  return `${marks[finding.severity]}  ${escapeText(finding.area)}: ${escapeText(finding.message)}${fix}`;
}
