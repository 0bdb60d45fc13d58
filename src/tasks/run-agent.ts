import { type Bottle, type BottleProcess, type ExecOptions, type ExitStatus, isTerokError, TerokError } from '../core/index.ts';
import type { RunEvents } from './api.ts';
import type { OutputLog } from './output-log.ts';

export interface AgentCommand {
  readonly argv: readonly string[];
  readonly options: ExecOptions;
  /** The caller connects its terminal to the process; otherwise standard input is empty */
  readonly interactive: boolean;
}

/**
 * Runs the agent in the bottle to its end; every chunk goes to the log first, then to the caller. A program that is not there, or is none,
 * ends as in a shell, with 127 or 126, and is named in the output.
 */
export async function runAgent(bottle: Bottle, command: AgentCommand, events: RunEvents, log: OutputLog): Promise<ExitStatus> {
  const child = await bottle.spawn(command.argv, command.options).catch(asNoProgram);
  if (child instanceof TerokError) {
    const words = Buffer.from(`terok: ${child.message} ${child.hint ?? ''}\n`);
    log.write(words);
    await events.onOutput('stderr', words);
    return { kind: 'exited', code: Number(child.context['exitCode']) };
  }
  if (command.interactive) events.onProcess?.(child);
  else child.stdin.end();
  const forwarded = Promise.allSettled([forward(child, 'stdout', events, log), forward(child, 'stderr', events, log)]);
  const status = await child.exited;
  await forwarded;
  return status;
}

function asNoProgram(error: unknown): TerokError {
  if (isTerokError(error) && error.code === 'NOT_FOUND' && error.context['kind'] === 'command') return error;
  throw error;
}

async function forward(child: BottleProcess, name: 'stdout' | 'stderr', events: RunEvents, log: OutputLog): Promise<void> {
  for await (const chunk of child[name] as AsyncIterable<Buffer>) {
    log.write(chunk);
    await events.onOutput(name, chunk);
  }
}

/** What the process of the caller should end with. */
export function exitCodeOf(status: ExitStatus, signals: Readonly<Record<string, number>>): number {
  switch (status.kind) {
    case 'exited':
      return status.code;
    case 'signalled':
      return 128 + (signals[status.signal.startsWith('SIG') ? status.signal : `SIG${status.signal}`] ?? 0);
    case 'timedOut':
      return 124;
    case 'cancelled':
      return 130;
    case 'lost':
      return 125;
    default:
      return status satisfies never;
  }
}
