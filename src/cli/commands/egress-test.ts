import { ERROR_EXIT_STATUS, TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { readTarget } from '../egress-input.ts';
import { escapeText } from '../escape.ts';

export async function execute(input: CommandInput<'egress test'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const verdict = await (await terok()).egress.test(readTarget(input.arguments.target, cwd), readRequest(input.arguments.request));
  if (input.options.json) output.printJson(verdict);
  else if (verdict.allowed) {
    const unseen = verdict.mode === 'passthrough' ? ' (`passthrough`: method and path are not seen)' : '';
    output.print(
      `${output.paint('green', 'allowed')} by the rule \`${escapeText(verdict.rule ?? '')}\` of ${escapeText(verdict.origin ?? '')}${unseen}`,
    );
  } else {
    output.print(`${output.paint('red', 'refused')} (${escapeText(verdict.reason ?? '')}): ${escapeText(verdict.message ?? '')}`);
    if (verdict.fix !== undefined) output.print(`to allow it: ${escapeText(verdict.fix)}`);
  }
  return verdict.allowed ? 0 : ERROR_EXIT_STATUS.REFUSED;
}

function readRequest(words: readonly string[]): { readonly method: string; readonly url: string } {
  const [first, second, ...more] = words;
  if (first === undefined || more.length > 0)
    throw new TerokError('USAGE', '`terok egress test` takes a target, a method (GET where absent) and an address.', {
      hint: 'For example `terok egress test shop POST https://api.example.com/v1`.',
    });
  if (second === undefined) return { method: 'GET', url: first };
  if (/^[A-Z][A-Z-]{0,31}$/.test(first)) return { method: first, url: second };
  throw new TerokError('USAGE', `\`${first.slice(0, 100)}\` is no HTTP method; a method is written in upper case.`);
}
