import { type Completion, longName, type OptionSpec } from '../command-spec.ts';
import { COMMAND_NAMES, COMMON_OPTIONS, type CommandName, GROUPS, specOf } from '../command-table.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

/** A completion script for a shell, made from the command table. Names of tasks are asked from `terok` when the user presses the key. */
export function renderCompletions(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash();
    case 'zsh':
      return zsh();
    case 'fish':
      return fish();
    default:
      return shell satisfies never;
  }
}

const TASKS = 'terok list --names 2>/dev/null';
const AGENTS = `terok agent list --json 2>/dev/null | sed -n 's/^    "name": "\\(.*\\)",$/\\1/p'`;
const BACKENDS = `terok backend list --json 2>/dev/null | sed -n 's/^    "name": "\\(.*\\)",$/\\1/p'`;

function bash(): string {
  return [
    '# bash completion for terok; use it with: source <(terok completions bash)',
    '_terok() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"',
    '  local index; for ((index = 1; index < COMP_CWORD; index++)); do [[ ${COMP_WORDS[index]} == -- ]] && { compopt -o default; COMPREPLY=(); return; }; done',
    '  if ((COMP_CWORD == 1)); then',
    `    COMPREPLY=($(compgen -W '${firstWords().join(' ')}' -- "$current")); return`,
    '  fi',
    '  case "$command" in',
    ...groups().map(
      ([group, members]) =>
        `    ${group}) if ((COMP_CWORD == 2)); then COMPREPLY=($(compgen -W '${members.join(' ')}' -- "$current")); return; fi; command="$command \${COMP_WORDS[2]}" ;;`,
    ),
    '  esac',
    '  case "$command $previous" in',
    ...COMMAND_NAMES.flatMap((name) => bashOptionValues(name)),
    '  esac',
    '  case "$command" in',
    ...COMMAND_NAMES.map((name) => `    '${name}') ${bashWords(name)} ;;`),
    '  esac',
    '}',
    'complete -F _terok terok',
    '',
  ].join('\n');
}

function bashOptionValues(name: CommandName): string[] {
  return optionsOf(name).flatMap(([key, option]) => {
    if (option.kind === 'flag') return [];
    const patterns = [`'${name} --${longName(key)}'`, ...(option.short === undefined ? [] : [`'${name} -${option.short}'`])].join('|');
    return [`    ${patterns}) ${bashValues(option.choices, option.completes)}; return ;;`];
  });
}

function bashValues(choices: readonly string[] | undefined, completes: Completion | undefined): string {
  if (choices !== undefined) return `COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current"))`;
  if (completes === undefined) return 'COMPREPLY=()';
  if (completes === 'directory') return 'COMPREPLY=($(compgen -d -- "$current"))';
  if (completes === 'file') return 'COMPREPLY=($(compgen -f -- "$current"))';
  return `COMPREPLY=($(compgen -W "$(${commandFor(completes)})" -- "$current"))`;
}

function bashWords(name: CommandName): string {
  const flags = optionsOf(name).map(([key]) => `--${longName(key)}`);
  const first = Object.values(specOf(name).arguments)[0];
  const operand = first === undefined ? 'COMPREPLY=()' : bashValues(first.choices, first.completes);
  return `if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '${flags.join(' ')}' -- "$current")); else ${operand}; fi`;
}

function zsh(): string {
  return [
    '#compdef terok',
    '# zsh completion for terok; use it with: source <(terok completions zsh)',
    '_terok() {',
    '  local -a words_of_terok; local command="${words[2]}"',
    `  if ((CURRENT == 2)); then words_of_terok=(${described(firstWords().map((word) => [word, summaryOf(word)]))}); _describe command words_of_terok; return; fi`,
    '  case "$command" in',
    ...groups().map(
      ([group, members]) =>
        `    ${group}) if ((CURRENT == 3)); then words_of_terok=(${described(members.map((word) => [word, specOf(`${group} ${word}` as CommandName).summary]))}); _describe command words_of_terok; return; fi; command="$command \${words[3]}"; shift words; ((CURRENT--)) ;;`,
    ),
    '  esac',
    '  shift words; ((CURRENT--))',
    '  case "$command" in',
    ...COMMAND_NAMES.map((name) => `    '${name}') _arguments -S ${zshArguments(name)} ;;`),
    '  esac',
    '}',
    'if [[ "${funcstack[1]}" == _terok ]]; then _terok "$@"; else compdef _terok terok; fi',
    '',
  ].join('\n');
}

function zshArguments(name: CommandName): string {
  const options = optionsOf(name).flatMap(([key, option]) => {
    const repeat = option.kind === 'list' ? '*' : '';
    const value =
      option.kind === 'flag' ? '' : `:${option.placeholder.replace(/[[\]=]/g, ' ').trim()}:${zshValues(option.choices, option.completes)}`;
    const names = [`--${longName(key)}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
    return names.map((each) => quote(`${repeat}${each}[${option.description.replace(/[[\]]/g, '\\$&')}]${value}`));
  });
  const operands = Object.entries(specOf(name).arguments).map(([key, argument]) =>
    quote(`${argument.kind === 'rest' ? '*' : ''}:${key}:${zshValues(argument.choices, argument.completes)}`),
  );
  return [...options, ...operands].join(' ');
}

function zshValues(choices: readonly string[] | undefined, completes: Completion | undefined): string {
  if (choices !== undefined) return `(${choices.join(' ')})`;
  if (completes === undefined) return ' ';
  if (completes === 'directory') return '_files -/';
  if (completes === 'file') return '_files';
  return `($(${commandFor(completes)}))`;
}

function fish(): string {
  const lines = [
    '# fish completion for terok; use it with: terok completions fish | source',
    'complete -c terok -f',
    ...firstWords().map((word) => `complete -c terok -n __fish_use_subcommand -a ${word} -d ${quote(summaryOf(word))}`),
    ...groups().flatMap(([group, members]) =>
      members.map(
        (word) =>
          `complete -c terok -n '__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${members.join(' ')}' -a ${word} -d ${quote(specOf(`${group} ${word}` as CommandName).summary)}`,
      ),
    ),
    ...COMMAND_NAMES.flatMap((name) => fishCommand(name)),
  ];
  return `${lines.join('\n')}\n`;
}

function fishCommand(name: CommandName): string[] {
  const seen = name.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`);
  const condition = `-n '${seen.join('; and ')}'`;
  const options = optionsOf(name).map(([key, option]) => {
    const short = option.short === undefined ? '' : ` -s ${option.short}`;
    const value = option.kind === 'flag' ? '' : ` -r ${fishValues(option.choices, option.completes)}`;
    return `complete -c terok ${condition}${short} -l ${longName(key)}${value} -d ${quote(option.description)}`;
  });
  const [first] = Object.values(specOf(name).arguments);
  const operand = first === undefined ? '' : fishValues(first.choices, first.completes);
  return operand === '' ? options : [...options, `complete -c terok ${condition} ${operand}`];
}

function fishValues(choices: readonly string[] | undefined, completes: Completion | undefined): string {
  if (choices !== undefined) return `-a '${choices.join(' ')}'`;
  if (completes === undefined) return '';
  if (completes === 'directory') return "-a '(__fish_complete_directories)'";
  if (completes === 'file') return '-F';
  return `-a ${quote(`(${commandFor(completes)})`)}`;
}

function optionsOf(name: CommandName): [string, OptionSpec][] {
  return Object.entries({ ...specOf(name).options, ...COMMON_OPTIONS });
}

function firstWords(): string[] {
  return [...new Set([...COMMAND_NAMES.map((name) => name.split(' ')[0] ?? ''), 'help'])];
}

function groups(): (readonly [group: string, members: string[]])[] {
  return Object.keys(GROUPS).map((group) => [
    group,
    COMMAND_NAMES.filter((name) => name.startsWith(`${group} `)).map((name) => name.slice(group.length + 1)),
  ]);
}

function commandFor(completes: 'task' | 'agent' | 'backend'): string {
  return { task: TASKS, agent: AGENTS, backend: BACKENDS }[completes];
}

function described(words: readonly (readonly [word: string, meaning: string])[]): string {
  return words.map(([word, meaning]) => quote(`${word}:${meaning}`)).join(' ');
}

/** One word of the shell, in single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function summaryOf(word: string): string {
  if (word === 'help') return 'Show help';
  return GROUPS[word] ?? specOf(word as CommandName).summary;
}
