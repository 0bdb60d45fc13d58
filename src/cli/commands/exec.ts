import { pipeline } from 'node:stream/promises';
import { TerokError } from '../../core/errors.ts';
import type { BottleProcess, ExecOptions, ExitStatus } from '../../core/index.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { parseEnvironment } from '../environment-options.ts';
import { exitStatusOf } from '../exit-status.ts';
import { connectTerminal, terminalSize } from '../terminal/connect-terminal.ts';
import { Interruption } from '../terminal/interruption.ts';

export async function execute(input: CommandInput<'exec'>, context: CommandContext): Promise<number> {
  const { output, stdin } = context;
  const { options } = input;
  const tty = options.tty || input.arguments.command.length === 0;
  if (tty && (stdin.isTTY !== true || output.stdout.isTTY !== true)) {
    throw new TerokError('USAGE', '`--tty`, and `terok exec` without a command, need a terminal on standard input and output.');
  }
  using interruption = new Interruption({ say: (text) => output.remark(text) });
  const argv = input.arguments.command.length === 0 ? ['/bin/bash', '-l'] : input.arguments.command;
  const request: ExecOptions = {
    env: parseEnvironment(options.env, context.env),
    signal: interruption.signal,
    ...(options.user === undefined ? {} : { user: options.user === 'root' ? 'root' : 'agent' }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(tty ? { terminal: terminalSize(output.stdout) } : {}),
  };
  const child = await (await context.terok()).exec(input.arguments.task, argv, request);
  const status = tty ? await runOnTerminal(child, context) : await runOnPipes(child, context);
  if (status.kind === 'lost')
    throw new TerokError('CHANNEL_LOST', `The command was lost: ${status.reason}.`, { hint: 'See `terok status`.' });
  return interruption.exitStatus ?? exitStatusOf(status);
}

async function runOnTerminal(child: BottleProcess, { stdin, output }: CommandContext): Promise<ExitStatus> {
  const disconnect = connectTerminal(child, stdin, output.stdout);
  try {
    const [, status] = await Promise.all([pipeline(child.stdout, output.stdout, { end: false }), child.exited]);
    return status;
  } finally {
    disconnect();
  }
}

async function runOnPipes(child: BottleProcess, { stdin, output }: CommandContext): Promise<ExitStatus> {
  // A command may end without reading its input; that is no failure of either side.
  child.stdin.on('error', () => stdin.unpipe(child.stdin));
  stdin.pipe(child.stdin);
  const streams = [pipeline(child.stdout, output.stdout, { end: false }), pipeline(child.stderr, output.stderr, { end: false })];
  const [status] = await Promise.all([child.exited, ...streams]);
  stdin.unpipe(child.stdin);
  return status;
}
