import { StringDecoder } from 'node:string_decoder';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeLines } from '../escape.ts';
import { type Output, writeAll } from '../terminal/output.ts';

/** On a terminal the diff is coloured and its control characters are shown as codes; elsewhere it is given byte for byte, as `git apply` needs it. */
export async function execute(input: CommandInput<'diff'>, { terok, output }: CommandContext): Promise<number> {
  const diff = await (await terok()).diff(input.arguments.task);
  const parts = output.stdout.isTTY === true ? forReading(diff, output) : diff;
  for await (const part of parts) {
    if (output.stdout.destroyed) break;
    await writeAll(output.stdout, part);
  }
  return 0;
}

async function* forReading(diff: AsyncIterable<Buffer | string>, output: Output): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of diff) {
    const lines = (rest + decoder.write(Buffer.from(chunk))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield `${paintLine(line, output)}\n`;
  }
  if (rest !== '') yield `${paintLine(rest, output)}\n`;
}

function paintLine(line: string, output: Output): string {
  const text = escapeLines(line);
  if (/^(?:diff |index |--- |\+\+\+ )/.test(line)) return output.paint('bold', text);
  if (line.startsWith('@@')) return output.paint('cyan', text);
  if (line.startsWith('+')) return output.paint('green', text);
  return line.startsWith('-') ? output.paint('red', text) : text;
}
