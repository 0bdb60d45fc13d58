import { TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';
import { readText } from '../read-input.ts';
import type { Output } from '../terminal/output.ts';

/** Keys are short; a certificate or service account file is a few kilobytes. */
const MAX_SECRET_BYTES = 64 * 1024;

export async function execute(input: CommandInput<'secret set'>, { terok, stdin, output }: CommandContext): Promise<number> {
  const { name } = input.arguments;
  const value = stdin.isTTY === true ? await ask(name, stdin, output) : await readText(stdin, MAX_SECRET_BYTES, 'The secret');
  await (await terok()).secrets.set(name, value, { oauth: input.options.oauth });
  if (input.options.json) output.printJson({ name, done: 'set' });
  else output.remark(`Stored \`${escapeText(name)}\`.`);
  return 0;
}

/** Asks on the terminal; what is typed is not shown. */
async function ask(name: string, input: NodeJS.ReadStream, { stderr }: Output): Promise<string> {
  const { isCancel, password } = await import('@clack/prompts');
  const answer = await password({ message: `Value of ${escapeText(name)} (not shown)`, mask: '', input, output: stderr });
  if (isCancel(answer)) throw new TerokError('CANCELLED', 'No value was given; nothing was stored.');
  if (answer === undefined || answer === '') throw new TerokError('USAGE', 'The value is empty; nothing was stored.');
  return answer;
}
