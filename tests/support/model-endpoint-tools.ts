import type { ModelScript, ModelStep } from './model-endpoint.ts';

export interface ToolCall {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Tools of the known agents: how each is told to run a command or to write a file. The first one that a request offers is used. */
const SHELLS: readonly (readonly [string, (command: string) => Readonly<Record<string, unknown>>])[] = [
  ['Bash', (command) => ({ command, description: 'Runs a command' })],
  ['bash', (command) => ({ command, description: 'Runs a command' })],
  ['exec', (command) => ({ cmd: command })],
  ['exec_command', (command) => ({ cmd: command })],
  ['shell_command', (command) => ({ command })],
  ['shell', (command) => ({ command: ['bash', '-c', command] })],
];

const WRITERS: readonly (readonly [string, (path: string, content: string) => Readonly<Record<string, unknown>>])[] = [
  ['Write', (path, content) => ({ file_path: path, content })],
  ['write', (path, content) => ({ filePath: path, content })],
];

/** The next tool call, undefined where the script is over or the request offers no tool, as requests for a title do. */
export function nextCall(script: ModelScript, done: number, offered: readonly string[]): ToolCall | undefined {
  const step = script.steps[done];
  return step === undefined || offered.length === 0 ? undefined : toCall(step, offered);
}

function toCall(step: ModelStep, offered: readonly string[]): ToolCall {
  if (step.kind === 'write') {
    const writer = WRITERS.find(([tool]) => offered.includes(tool));
    if (writer !== undefined) return { tool: writer[0], input: writer[1](step.path, step.content) };
  }
  const command = step.kind === 'shell' ? step.command : `printf %s ${quote(step.content)} > ${quote(step.path)}`;
  const shell = SHELLS.find(([tool]) => offered.includes(tool));
  if (shell === undefined) throw new Error(`none of the offered tools runs a command: ${offered.join(', ')}`);
  return { tool: shell[0], input: shell[1](command) };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
