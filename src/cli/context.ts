import type { Terok } from '../tasks/api.ts';
import type { CommandInput, CommandName } from './command-table.ts';
import type { CommonInput } from './parse-arguments.ts';
import type { Output } from './terminal/output.ts';

/** What a command works with, passed in so that a test can give its own. */
export interface CommandContext {
  /** Loads the task layer, which is too heavy for `--help` */
  readonly terok: () => Promise<Terok>;
  readonly output: Output;
  readonly stdin: NodeJS.ReadStream;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly common: CommonInput;
  /** The command line as it was given, for a runner that is started in the background */
  readonly argv: readonly string[];
}

export interface CommandModule<Name extends CommandName> {
  /** Gives the exit status; throws `TerokError` */
  readonly execute: (input: CommandInput<Name>, context: CommandContext) => Promise<number>;
}
