import { type ArgumentSpec, type CommandSpec, longName, type OptionSpec } from '../command-spec.ts';
import { COMMAND_NAMES, COMMON_OPTIONS, type CommandName, EXIT_STATUSES, GROUPS, specOf } from '../command-table.ts';

type Row = readonly [left: string, right: string];

/** Help of terok as a whole. */
export function renderOverview(version: string): string {
  return join(
    `terok ${version}: runs AI coding agents, each in its own sealed bottle`,
    section('Usage', ['terok COMMAND [OPTION…]']),
    section('Commands', columns(COMMAND_NAMES.map((name) => [name, specOf(name).summary]))),
    section('Options of every command', columns(optionRows(COMMON_OPTIONS))),
    section('Exit status', columns(EXIT_STATUSES)),
    'Start with `terok doctor`. `terok COMMAND --help` says more about one command.',
  );
}

/** Help of a first word alone, such as `terok image`. */
export function renderGroup(group: string): string {
  const members = COMMAND_NAMES.filter((name) => name.startsWith(`${group} `));
  return join(`terok ${group}: ${GROUPS[group] ?? ''}`, section('Commands', columns(members.map((name) => [name, specOf(name).summary]))));
}

export function renderCommand(name: CommandName): string {
  const spec = specOf(name);
  const described = Object.entries(spec.arguments).map(([key, argument]) => [placeholderOf(key), describe(argument)] as const);
  return join(
    `${spec.summary}.`,
    section('Usage', [usageOf(name)]),
    ...(spec.details ?? []).map((paragraph) => wrap(paragraph, 100)),
    section('Arguments', columns(described)),
    section('Options', columns(optionRows({ ...spec.options, ...COMMON_OPTIONS }))),
    section('Examples', columns((spec.examples ?? []).map(([command, meaning]) => [command, meaning]))),
    name === 'run' || name === 'exec' ? section('Exit status', columns(EXIT_STATUSES)) : '',
  );
}

/** `terok run [OPTION…] [DIR] [-- COMMAND…]` */
export function usageOf(name: CommandName): string {
  const spec = specOf(name);
  const names = Object.entries(spec.arguments).map(([key, argument]) => argumentUsage(key, argument, spec));
  return ['terok', name, '[OPTION…]', ...names].join(' ');
}

export function optionRows(options: Readonly<Record<string, OptionSpec>>): Row[] {
  return Object.entries(options).map(([name, option]) => [optionUsage(name, option), describe(option)]);
}

function optionUsage(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? '    ' : `-${option.short}, `;
  return `${short}--${longName(name)}${option.kind === 'flag' ? '' : ` ${option.placeholder}`}`;
}

function describe(spec: ArgumentSpec | OptionSpec): string {
  const choices = 'choices' in spec && spec.choices !== undefined ? ` (${spec.choices.join(', ')})` : '';
  return `${spec.description}${choices}${spec.kind === 'list' ? '; may be repeated' : ''}`;
}

function argumentUsage(key: string, argument: ArgumentSpec, spec: CommandSpec): string {
  const placeholder = placeholderOf(key);
  if (argument.kind === 'required') return placeholder;
  if (argument.kind === 'optional') return `[${placeholder}]`;
  return Object.keys(spec.arguments).length === 1 ? `[${placeholder}…]` : `[-- ${placeholder}…]`;
}

/** A list's placeholder is in the singular, because `…` follows it. */
function placeholderOf(key: string): string {
  return longName(key).replace(/s$/, '').toUpperCase();
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`${title}:`, ...lines.map((line) => `  ${line}`)].join('\n');
}

function join(...blocks: readonly string[]): string {
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function columns(rows: readonly Row[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd());
}

function wrap(text: string, width: number): string {
  const lines = text.split(' ').reduce<string[]>((done, word) => {
    const last = done.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) return [...done, word];
    return [...done.slice(0, -1), `${last} ${word}`];
  }, []);
  return lines.join('\n');
}
