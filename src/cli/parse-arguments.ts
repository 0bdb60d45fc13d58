import { Argument, Command, CommanderError, Option } from 'commander';
import { TerokError } from '../core/errors.ts';
import { type CommandSpec, longName, type OptionSpec } from './command-spec.ts';
import { COMMAND_NAMES, COMMON_OPTIONS, type CommandInput, type CommandName, GROUPS, specOf } from './command-table.ts';

export type ParsedCommand = {
  readonly [Name in CommandName]: { readonly name: Name; readonly input: CommandInput<Name>; readonly common: CommonInput };
}[CommandName];

export interface CommonInput {
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly help: boolean;
}

/** The command that `argv` names, with its arguments and options; throws USAGE. */
export function parseArguments(argv: readonly string[]): ParsedCommand {
  const name = commandNameOf(argv);
  const spec = specOf(name);
  const { before, after, hasDashes } = splitAtDashes(argv.slice(name.split(' ').length), spec);
  const command = commanderOf(name, spec, !hasDashes);
  try {
    command.parse(before, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new TerokError('USAGE', sentence(error.message.replace(/^error: /, '')), { hint: hintFor(name, error) });
  }
  return collect(name, spec, command, after);
}

function commandNameOf(argv: readonly string[]): CommandName {
  const known = COMMAND_NAMES.find((name) => name.split(' ').every((word, index) => argv[index] === word));
  if (known !== undefined) return known;
  const [first = ''] = argv;
  const isOption = first.startsWith('-');
  const close = closest(argv.slice(0, Object.hasOwn(GROUPS, first) ? 2 : 1).join(' '), COMMAND_NAMES);
  throw new TerokError(
    'USAGE',
    isOption ? `The command comes before its options; got \`${first}\`.` : `There is no command \`${argv.slice(0, 2).join(' ')}\`.`,
    {
      hint: close === undefined || isOption ? 'See `terok --help`.' : `Did you mean \`terok ${close}\`?`,
    },
  );
}

/** What follows the first `--` belongs to the command that is to be run, never to terok. */
function splitAtDashes(
  argv: readonly string[],
  spec: CommandSpec,
): { readonly before: string[]; readonly after: string[]; readonly hasDashes: boolean } {
  const dashes = hasRest(spec) ? argv.indexOf('--') : -1;
  return dashes === -1
    ? { before: [...argv], after: [], hasDashes: false }
    : { before: argv.slice(0, dashes), after: argv.slice(dashes + 1), hasDashes: true };
}

function hintFor(name: CommandName, error: CommanderError): string {
  const more = `See \`terok ${name} --help\`.`;
  return error.code === 'commander.excessArguments' && hasRest(specOf(name)) ? `A command goes after \`--\`. ${more}` : more;
}

function hasRest(spec: CommandSpec): boolean {
  return Object.values(spec.arguments).some((argument) => argument.kind === 'rest');
}

function commanderOf(name: CommandName, spec: CommandSpec, commandMayFollow: boolean): Command {
  const command = new Command(name)
    .helpOption(false)
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .allowExcessArguments(false);
  for (const [key, argument] of Object.entries(spec.arguments)) {
    if (argument.kind === 'rest' && takesRestOnlyAfterDashes(name)) continue;
    const label = key.toUpperCase();
    const made = new Argument(argument.kind === 'rest' ? `[${label}...]` : `[${label}]`, argument.description);
    command.addArgument(argument.choices === undefined ? made : made.choices(argument.choices));
  }
  if (name === 'exec' && commandMayFollow) command.passThroughOptions();
  for (const [key, option] of Object.entries({ ...spec.options, ...COMMON_OPTIONS })) command.addOption(commanderOption(key, option));
  return command;
}

/** `terok run make` is more likely a mistyped directory than a command. */
function takesRestOnlyAfterDashes(name: CommandName): boolean {
  return name === 'run';
}

function commanderOption(key: string, option: OptionSpec): Option {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const made = new Option(`${short}--${longName(key)}${option.kind === 'flag' ? '' : ' <value>'}`, option.description);
  if (option.kind === 'flag') return made;
  const check = (value: string): string => {
    if (option.choices === undefined || option.choices.includes(value)) return value;
    throw new TerokError('USAGE', `\`--${longName(key)}\` takes one of ${option.choices.join(', ')}; got \`${value}\`.`);
  };
  if (option.kind === 'list')
    return made.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), check(value)]);
  return made.argParser(check);
}

function collect(name: CommandName, spec: CommandSpec, command: Command, after: readonly string[]): ParsedCommand {
  const options = command.opts<Record<string, unknown>>();
  const common = { quiet: options['quiet'] === true, debug: options['debug'] === true, help: options['help'] === true };
  const values = Object.entries(spec.options).map(([key, option]) => [key, options[key] ?? emptyValue(option)] as const);
  const operands = Object.entries(spec.arguments).map(([key, argument], index) => {
    const given = command.processedArgs[index] as string | string[] | undefined;
    if (argument.kind === 'rest') return [key, [given ?? [], after].flat()] as const;
    if (argument.kind === 'required' && given === undefined && !common.help) {
      throw new TerokError('USAGE', `\`terok ${name}\` needs ${key.toUpperCase()}: ${argument.description}.`, {
        hint: `See \`terok ${name} --help\`.`,
      });
    }
    return [key, given] as const;
  });
  return {
    name,
    common,
    input: { arguments: Object.fromEntries<unknown>(operands), options: Object.fromEntries<unknown>(values) },
  } as unknown as ParsedCommand;
}

function emptyValue(option: OptionSpec): boolean | readonly string[] | undefined {
  if (option.kind === 'flag') return false;
  return option.kind === 'list' ? [] : undefined;
}

function sentence(text: string): string {
  const first = text.split('\n')[0] ?? '';
  return `${first.charAt(0).toUpperCase()}${first.slice(1)}${/[.)?]$/.test(first) ? '' : '.'}`;
}

/** The known word that differs least, when it differs little. */
function closest(word: string, known: readonly string[]): string | undefined {
  const ranked = known.map((each) => ({ each, distance: editDistance(word, each) })).sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= (word.length < 3 ? 1 : 2) ? best.each : undefined;
}

function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of from.slice(0, 32).split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of to.split('').entries()) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
