import { TerokError } from '../../core/errors.ts';
import type { Terok } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { parseDuration } from '../quantities.ts';

type Hold = Parameters<Terok['egress']['answer']>[2]['hold'];

export async function execute(input: CommandInput<'egress answer'>, { terok, output }: CommandContext): Promise<number> {
  const { task, id, answer } = input.arguments;
  const allow = answer === 'yes';
  const hold = readHold(input.options, allow);
  await (await terok()).egress.answer(task, id, { allow, ...(hold === undefined ? {} : { hold }) });
  if (input.options.json) output.printJson({ id, answer });
  else output.remark(allow ? 'The request goes on.' : 'The request is refused.');
  return 0;
}

function readHold({ once, always, for: time }: CommandInput<'egress answer'>['options'], allow: boolean): Hold {
  const given = [once && '--once', always && '--always', time !== undefined && '--for'].filter((name) => name !== false);
  if (given.length > 1)
    throw new TerokError('USAGE', `\`${given.join('` and `')}\` exclude each other.`, { hint: 'Say how long the answer holds once.' });
  if (given.length > 0 && !allow)
    throw new TerokError('USAGE', `\`${given[0]}\` says how long a yes holds, and the answer is no.`, {
      hint: 'A no holds for one request.',
    });
  if (time !== undefined) return { forMs: parseDuration(time, '--for') };
  return once ? 'once' : always ? 'always' : undefined;
}
