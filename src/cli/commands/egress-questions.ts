import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'egress questions'>, { terok, output }: CommandContext): Promise<number> {
  const { egress } = await terok();
  if (input.options.forget) await egress.forgetAnswers(input.arguments.task);
  const questions = await egress.questions(input.arguments.task);
  if (input.options.json) output.printJson(questions);
  else if (questions.length === 0) output.remark('No request waits.');
  else for (const { id, method, host, found } of questions) output.print(escapeText(`${id}  ${method} ${host}: ${found}`));
  return 0;
}
