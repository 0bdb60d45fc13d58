import { TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';
import { readText } from '../read-input.ts';

/** More than anyone types; the gate has its own limit */
const MAX_MESSAGE_BYTES = 64 * 1024;

export async function execute(input: CommandInput<'reject'>, { terok, stdin, output }: CommandContext): Promise<number> {
  const { message, ref, json } = input.options;
  if (message === undefined)
    throw new TerokError('USAGE', '`terok reject` needs a message to the agent.', {
      hint: 'Give it with `-m TEXT`, or `-m -` to read it.',
    });
  const text = message === '-' ? await readText(stdin, MAX_MESSAGE_BYTES, 'The message') : message;
  const rejection = await (await terok()).reviews.reject(input.arguments.task, text, ref === undefined ? {} : { ref });
  if (json) output.printJson(rejection);
  else output.remark(`Rejected ${escapeText(rejection.new.slice(0, 12))}; the agent reads why with its next push.`);
  return 0;
}
