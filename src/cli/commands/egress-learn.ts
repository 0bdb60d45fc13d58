import { TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { reasonOf } from '../egress-input.ts';
import { escapeLines, escapeText } from '../escape.ts';
import { printChange } from '../render/egress.ts';

export async function execute(input: CommandInput<'egress learn'>, context: CommandContext): Promise<number> {
  const { output, terok } = context;
  const { apply, yes, json } = input.options;
  const { egress } = await terok();
  const proposal = await egress.learn(input.arguments.task);
  const { task, routes, yaml, commands } = proposal;
  if (!json) {
    if (routes.length === 0) output.remark('Nothing was refused that a rule would allow.');
    else output.print(escapeLines(yaml).trimEnd());
    for (const command of commands) output.print(`# ${escapeText(command)}`);
  }
  const wanted = apply && routes.length > 0 && (yes || (await confirmed(routes.length, task, context)));
  const change = wanted ? await egress.adopt(task, routes, reasonOf(context.argv)) : undefined;
  if (json) output.printJson(change === undefined ? proposal : { ...proposal, change });
  else if (change !== undefined) printChange(output, change);
  return 0;
}

async function confirmed(count: number, task: string, { stdin, output }: CommandContext): Promise<boolean> {
  if (stdin.isTTY !== true)
    throw new TerokError('USAGE', '`--apply` asks before it allows anything, and there is no terminal to ask on.', {
      hint: 'Look at the proposal, then add `--yes`.',
    });
  const { confirm } = await import('@clack/prompts');
  const message = `Allow ${count === 1 ? 'this' : `these ${count} rules`} to ${task}?`;
  return (await confirm({ message, input: stdin, output: output.stderr, initialValue: false })) === true;
}
