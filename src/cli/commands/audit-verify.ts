import path from 'node:path';
import { ERROR_EXIT_STATUS } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'audit verify'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const { target } = input.arguments;
  const isFile = target !== undefined && (target.includes('/') || target.endsWith('.jsonl'));
  const wanted = target === undefined ? undefined : isFile ? { file: path.resolve(cwd, target) } : { task: target };
  const reports = await (await terok()).egress.verifyAudit(wanted);
  if (input.options.json) output.printJson(reports);
  else if (reports.length === 0) output.remark('There is no record of any decision.');
  else
    for (const { of, file, intact, lines, line, problem } of reports)
      output.print(
        intact
          ? `${output.paint('green', 'intact')}  ${escapeText(of)}: ${lines} lines`
          : `${output.paint('red', 'broken')}  ${escapeText(of)}: line ${line} of ${escapeText(file)} ${escapeText(problem ?? '')}`,
      );
  return reports.every(({ intact }) => intact) ? 0 : ERROR_EXIT_STATUS.STATE_CORRUPT;
}
