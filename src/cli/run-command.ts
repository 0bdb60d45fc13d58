import { isTerokError, messageOf, systemCodeOf, TerokError } from '../core/errors.ts';
import type { CommandName } from './command-table.ts';
import type { CommandContext } from './context.ts';
import { escapeText } from './escape.ts';
import { loadCommand } from './load-command.ts';
import { type ParsedCommand, parseArguments } from './parse-arguments.ts';
import { errorDocument, renderError } from './render/error.ts';
import { renderCommand } from './render/help.ts';
import { Output } from './terminal/output.ts';

/** Parses and executes; every error ends here as a report and an exit status. */
export async function runCommand(argv: readonly string[], process: NodeJS.Process): Promise<number> {
  const options = { json: hasFlag(argv, '--json'), debug: hasFlag(argv, '--debug') };
  let output = new Output(process, process.env, false);
  try {
    const parsed = parseArguments(argv);
    output = new Output(process, process.env, parsed.common.quiet);
    if (parsed.common.help) {
      output.print(renderCommand(parsed.name).trimEnd());
      return 0;
    }
    return await execute(parsed, { argv, process, output });
  } catch (error) {
    const known = isTerokError(error) ? error : explain(error);
    output.progress.pause();
    if (options.json) output.printJson(errorDocument(known));
    else process.stderr.write(renderError(known, output, options.debug));
    return known.exitStatus;
  } finally {
    output.progress.pause();
  }
}

function explain(error: unknown): TerokError {
  if (error instanceof Error && error.name === 'AbortError')
    return new TerokError('CANCELLED', 'The command was stopped.', { cause: error });
  const hint = namesPath(error) ? 'Repair that path; `terok doctor` looks at the directories of terok.' : UNEXPECTED;
  return new TerokError('RUNTIME_FAILED', messageOf(error), { cause: error, hint });
}

/** A system error that names a path, for example of a directory that cannot be written. */
function namesPath(error: unknown): boolean {
  return systemCodeOf(error) !== undefined && typeof error === 'object' && error !== null && 'path' in error && 'syscall' in error;
}

const UNEXPECTED = 'terok did not expect this; run the command again with `--debug` and report what it prints.';

interface Surroundings {
  readonly argv: readonly string[];
  readonly process: NodeJS.Process;
  readonly output: Output;
}

async function execute(parsed: ParsedCommand, { argv, process, output }: Surroundings): Promise<number> {
  const context: CommandContext = {
    terok: async () => {
      const onRepair = ({ slug, message }: { slug: string; message: string }): void =>
        output.remark(`repaired: \`${escapeText(slug)}\` ${escapeText(message)}`);
      return (await import('../tasks/index.ts')).createTerok({ env: process.env, onRepair });
    },
    output,
    stdin: process.stdin,
    env: process.env,
    cwd: process.cwd(),
    common: parsed.common,
    argv,
  };
  // The table ties the module of a name to the input of that name; the compiler cannot follow a union of such pairs.
  const module = await loadCommand<CommandName>(parsed.name);
  return await (module.execute as (input: unknown, context: CommandContext) => Promise<number>)(parsed.input, context);
}

/** Looks at the words before `--` alone; used where the command line itself could not be parsed. */
function hasFlag(argv: readonly string[], flag: string): boolean {
  const dashes = argv.indexOf('--');
  return argv.slice(0, dashes === -1 ? undefined : dashes).includes(flag);
}
