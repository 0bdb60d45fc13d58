import { COMMAND_NAMES, COMMON_OPTIONS, EXIT_STATUSES, specOf } from '../command-table.ts';
import { optionRows, usageOf } from './help.ts';

/** `docs/cli.md`, made from the command table. */
export function renderCliDocs(): string {
  const blocks = [
    '# The command line',
    '<!-- Generated from `src/cli/command-table.ts` by `node scripts/generate-cli-docs.mjs`; a check fails when it is stale. -->',
    'Results go to standard output, progress and remarks to standard error. With `--json` a command prints one JSON document, and an error is `{"error": {"code", "message", "hint", "exitStatus"}}` on standard output with the same exit status as without.',
    '## Exit status',
    table(
      ['status', 'meaning'],
      EXIT_STATUSES.map(([status, meaning]) => [`\`${status}\``, meaning]),
    ),
    '## Options of every command',
    table(['option', 'meaning'], optionTable(COMMON_OPTIONS)),
    ...COMMAND_NAMES.flatMap((name) => {
      const spec = specOf(name);
      const examples = (spec.examples ?? []).map(([command, meaning]) => `- \`${command}\`: ${meaning}`);
      return [
        `## terok ${name}`,
        `${spec.summary}.`,
        `\`\`\`\n${usageOf(name)}\n\`\`\``,
        ...(spec.details ?? []),
        table(
          ['argument', 'meaning'],
          Object.entries(spec.arguments).map(([key, argument]) => [`\`${key.toUpperCase()}\``, argument.description]),
        ),
        table(['option', 'meaning'], optionTable(spec.options)),
        examples.join('\n'),
      ];
    }),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function optionTable(options: Parameters<typeof optionRows>[0]): string[][] {
  return optionRows(options).map(([left, right]) => [`\`${left.trim()}\``, right]);
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}
