import path from 'node:path';
import { TerokError } from '../../core/errors.ts';
import type { BottleProcess, LimitName, ResourceLimits } from '../../core/index.ts';
import type { RunOutcome, RunRequest } from '../../tasks/api.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { parseEnvironment } from '../environment-options.ts';
import { escapeText } from '../escape.ts';
import { parseCount, parseDuration, parsePublish, parseSize } from '../quantities.ts';
import { readText } from '../read-input.ts';
import { AgentOutput } from '../terminal/agent-output.ts';
import { connectTerminal, terminalSize } from '../terminal/connect-terminal.ts';
import { Interruption } from '../terminal/interruption.ts';
import { isRunner, reportTask, startRunner } from './run-detached.ts';

export async function execute(input: CommandInput<'run'>, context: CommandContext): Promise<number> {
  if (input.options.detach && !isRunner(context.env)) return await detach(input, context);
  const request = await toRequest(input, context);
  const run: Running = {};
  using interruption = new Interruption({ say: (text) => context.output.remark(text), atOnce: () => describeLeft(run.slug) });
  try {
    const outcome = await runTask({ ...request, signal: interruption.signal }, input, context, run);
    run.disconnect?.();
    report(outcome, input.options.json, context);
    return interruption.exitStatus ?? outcome.exitCode;
  } finally {
    run.disconnect?.();
  }
}

interface Running {
  /** Known when the task has a record */
  slug?: string;
  /** Gives the terminal back */
  disconnect?: () => void;
}

function describeLeft(slug: string | undefined): string {
  return slug === undefined
    ? 'Ended at once.'
    : `Ended at once. The next terok command, such as \`terok list\`, brings the work of \`${slug}\` into the gate and ends its bottle.`;
}

/** With `--json` standard output belongs to the outcome, so the agent's output goes to standard error. */
async function runTask(request: RunRequest, input: CommandInput<'run'>, context: CommandContext, run: Running): Promise<RunOutcome> {
  const { output, stdin } = context;
  const raw = input.options.interactive;
  const sinks = {
    stdout: new AgentOutput(input.options.json ? output.stderr : output.stdout, { raw }),
    stderr: new AgentOutput(output.stderr, { raw }),
  };
  const terok = await context.terok();
  const outcome = await terok.run(request, {
    onProgress: (event) => output.progress.show(event.message),
    onOutput: async (stream, chunk) => {
      output.progress.pause();
      await sinks[stream].write(chunk);
    },
    onTask: (slug) => {
      run.slug = slug;
      reportTask(slug, context.env);
    },
    onPorts: (ports) => {
      output.progress.pause();
      for (const { address, hostPort, port } of ports) output.remark(`Port ${port} of the bottle is at ${address}:${hostPort}.`);
    },
    // said also with `--quiet`, as an error is
    onNote: (note) => {
      output.progress.pause();
      output.stderr.write(`terok: ${escapeText(note)}\n`);
    },
    onProcess: (child: BottleProcess) => {
      output.progress.pause();
      run.disconnect = connectTerminal(child, stdin, output.stdout);
    },
  });
  await Promise.all([sinks.stdout.end(), sinks.stderr.end()]);
  return outcome;
}

async function detach(input: CommandInput<'run'>, context: CommandContext): Promise<number> {
  if (input.options.interactive) throw new TerokError('USAGE', '`--detach` and `--interactive` exclude each other.');
  const slug = await startRunner({ argv: context.argv, env: context.env, readsInput: input.options.prompt === '-' });
  if (input.options.json) context.output.printJson({ slug });
  else context.output.print(slug);
  return 0;
}

async function toRequest(input: CommandInput<'run'>, context: CommandContext): Promise<RunRequest> {
  const { options } = input;
  const { command } = input.arguments;
  if (command.length > 0 && (options.agent !== undefined || options.prompt !== undefined)) {
    throw new TerokError('USAGE', 'A command after `--` runs in the place of an agent; leave out `--agent` and `--prompt`.');
  }
  if (options.interactive && (context.stdin.isTTY !== true || context.output.stdout.isTTY !== true)) {
    throw new TerokError('USAGE', '`--interactive` needs a terminal on standard input and output.');
  }
  const prompt = options.prompt === '-' ? await readText(context.stdin, MAX_PROMPT_BYTES, 'The prompt') : options.prompt;
  return {
    source: path.resolve(context.cwd, input.arguments.dir ?? '.'),
    env: parseEnvironment(options.env, context.env),
    limits: toLimits(options),
    ports: options.publish.map(parsePublish),
    allowUnenforced: options.allowUnenforced as readonly LimitName[],
    keep: options.keep,
    interactive: options.interactive,
    ...(options.sudo ? { sudo: true } : {}),
    ...(options.interactive ? { terminal: terminalSize(context.output.stdout) } : {}),
    ...(command.length === 0 ? {} : { command }),
    ...present({ agent: options.agent, prompt, model: options.model, backend: options.backend, name: options.name, image: options.image }),
    ...(options.timeout === undefined ? {} : { timeoutMs: parseDuration(options.timeout) }),
  };
}

/** A prompt is written or generated text; above this it is a mistake, and no argument of a program may be longer. */
const MAX_PROMPT_BYTES = 128 * 1024;

function toLimits(options: CommandInput<'run'>['options']): Partial<ResourceLimits> {
  return {
    ...(options.memory === undefined ? {} : { memoryMiB: parseSize(options.memory, '--memory') }),
    ...(options.cpus === undefined ? {} : { cpus: parseCount('--cpus', options.cpus, false) }),
    ...(options.disk === undefined ? {} : { diskMiB: parseSize(options.disk, '--disk') }),
    ...(options.pids === undefined ? {} : { pids: parseCount('--pids', options.pids, true) }),
  };
}

function present<T extends Record<string, string | undefined>>(fields: T): { [Name in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [Name in keyof T]?: string };
}

function report(outcome: RunOutcome, json: boolean, { output }: CommandContext): void {
  if (json) {
    output.printJson(outcome);
    return;
  }
  const commits = outcome.commits.map((commit) => `  ${commit.id.slice(0, 10)} ${escapeText(commit.subject)}`);
  const count = `${outcome.commits.length} ${outcome.commits.length === 1 ? 'commit' : 'commits'}, ${outcome.files.length} changed ${outcome.files.length === 1 ? 'file' : 'files'}`;
  const lines = [
    '',
    `${output.paint('bold', `Task ${outcome.slug}`, output.stderr)}: ${describeEnd(outcome)}; ${count}.`,
    ...commits,
    ...outcome.notes.map((note) => `${output.paint('yellow', 'note:', output.stderr)} ${escapeText(note)}`),
    outcome.files.length === 0
      ? `Remove it with \`terok rm ${outcome.slug}\`.`
      : `Look at the work with \`terok diff ${outcome.slug}\`, take it with \`terok apply ${outcome.slug}\`.`,
  ];
  output.remark(lines.join('\n'));
}

function describeEnd({ status }: RunOutcome): string {
  switch (status.kind) {
    case 'exited':
      return `ended with ${status.code}`;
    case 'signalled':
      return `killed by ${escapeText(status.signal)}`;
    case 'timedOut':
      return 'ran out of time';
    case 'cancelled':
      return 'stopped';
    case 'lost':
      return `lost: ${escapeText(status.reason)}`;
    default:
      return status satisfies never;
  }
}
