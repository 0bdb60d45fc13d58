import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { readHost, readScope, reasonOf } from '../egress-input.ts';
import { parseDuration } from '../quantities.ts';
import { printChange } from '../render/egress.ts';

export async function execute(input: CommandInput<'egress allow'>, { terok, output, cwd, argv }: CommandContext): Promise<number> {
  const { options } = input;
  const list = (values: readonly string[]): readonly string[] | undefined => (values.length === 0 ? undefined : values);
  const [methods, paths, privateNetworks] = [list(options.method), list(options.path), list(options.privateNetwork)];
  const change = await (await terok()).egress.allow({
    target: readScope(input.arguments.target, options.project, cwd),
    ...readHost(input.arguments.host),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
    ...(privateNetworks === undefined ? {} : { privateNetworks }),
    ...(options.mode === undefined ? {} : { mode: options.mode === 'passthrough' ? 'passthrough' : 'inspect' }),
    ...(options.for === undefined ? {} : { forMs: parseDuration(options.for, '--for') }),
    reason: reasonOf(argv),
  });
  if (options.json) output.printJson(change);
  else printChange(output, change);
  return 0;
}
