// Scope: turns argv, environment and working directory into the one string that an SSH server hands to the user's shell.
// Out of scope: what the program does with its arguments. Fail-safe direction: what cannot be passed exactly is refused (USAGE).
import { TerokError } from '../core/index.ts';
import type { Marks } from './marks.ts';

export interface ShellCommandOptions {
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly marks: Marks;
}

/** A string longer than this goes in environment variables: Linux takes at most 131 071 bytes in one argument of a program. */
export const MAX_DIRECT_BYTES = 100_000;
/** Linux: MAX_ARG_STRLEN, with the closing NUL. */
const MAX_STRING_BYTES = 131_071;
/** Linux gives arguments and environment a quarter of an 8 MiB stack; the rest is for what the shell adds. */
const MAX_TOTAL_BYTES = 1_900_000;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Variables that a shell treats as its own (read-only, checked, or changing how it reads the rest); `env` sets them instead. */
const SHELL_OWN = new Set([
  'BASHOPTS',
  'BASH_VERSINFO',
  'EUID',
  'IFS',
  'LINENO',
  'OLDPWD',
  'OPTIND',
  'POSIXLY_CORRECT',
  'PPID',
  'PS4',
  'PWD',
  'SHELLOPTS',
  'SHLVL',
  'UID',
  '_',
]);
/** What the SSH server adds and no program should rely on; some shells read startup files because of it. */
const SERVER_VARIABLES = 'SSH_CLIENT SSH_CONNECTION SSH_TTY MAIL OLDPWD';

/**
 * A POSIX shell program that replaces itself with the command. It reports through `marks` what became of the working directory and
 * of the command before it starts, and a failed start afterwards.
 */
export function toShellCommand(options: ShellCommandOptions): string {
  assertPassable(options);
  const { argv, cwd, env, marks } = options;
  const direct = Object.entries(env).filter(([name]) => !SHELL_OWN.has(name));
  return [
    ...(cwd === undefined ? [] : [`cd ${quote(cwd)} 2>/dev/null||{ ${marks.print('cwd')};exit 1;}`]),
    `unset ${SERVER_VARIABLES}`,
    ...(direct.length === 0 ? [] : [`export ${direct.map(([name, value]) => `${name}=${quote(value)}`).join(' ')}`]),
    ...commandCheck(argv[0] ?? '', marks),
    marks.print('started', '$$'),
    `trap ${quote(marks.print('failed', '$?'))} 0`,
    `exec ${launcher(argv[0] ?? '', env)}${argv.map(quote).join(' ')}`,
  ].join('\n');
}

/** One word of a POSIX shell, whatever the text holds. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Cuts a long program into pieces, each small enough for one variable. */
export function splitScript(script: string): readonly string[] {
  const bytes = Buffer.from(script, 'utf8');
  const pieces: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    let end = Math.min(start + MAX_DIRECT_BYTES, bytes.length);
    while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    pieces.push(bytes.toString('utf8', start, end));
    start = end;
  }
  return pieces;
}

function commandCheck(file: string, marks: Marks): readonly string[] {
  if (!file.includes('/'))
    return file.startsWith('-') ? [] : [`command -v ${quote(file)} >/dev/null 2>&1||{ ${marks.print('missing')};exit 127;}`];
  const word = quote(file);
  return [
    `[ -e ${word} ]||{ ${marks.print('missing')};exit 127;}`,
    `[ -x ${word} ]&&[ ! -d ${word} ]||{ ${marks.print('notExecutable')};exit 126;}`,
  ];
}

/** `env` stands between where the shell itself would trip over a variable, or over a command that looks like an option. */
function launcher(file: string, env: Readonly<Record<string, string>>): string {
  const own = Object.entries(env).filter(([name]) => SHELL_OWN.has(name));
  if (own.length === 0 && !file.startsWith('-')) return '';
  if (file.includes('='))
    throw new TerokError(
      'USAGE',
      `A program with \`=\` in its name cannot start with these variables or a leading \`-\`; got \`${file}\`.`,
    );
  return `env -- ${own.map(([name, value]) => `${quote(`${name}=${value}`)} `).join('')}`;
}

function assertPassable({ argv, cwd, env }: ShellCommandOptions): void {
  if (argv.length === 0 || argv[0] === '') throw new TerokError('USAGE', 'A command needs at least the name of a program.');
  if (cwd !== undefined && !cwd.startsWith('/'))
    throw new TerokError('USAGE', `The working directory must be an absolute path in the bottle; got \`${cwd}\`.`);
  const badName = Object.keys(env).find((name) => !NAME.test(name));
  if (badName !== undefined) throw new TerokError('USAGE', `A variable's name is letters, digits and underscores; got \`${badName}\`.`);
  const strings = [...argv, cwd ?? '', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  const total = strings.reduce((sum, text) => sum + assertString(text), 0);
  if (total > MAX_TOTAL_BYTES)
    throw new TerokError('USAGE', `Arguments and environment have at most ${MAX_TOTAL_BYTES} bytes in all; got ${total}.`);
}

function assertString(text: string): number {
  if (text.includes('\0'))
    throw new TerokError('USAGE', 'An argument, a variable or a path holds a NUL byte, which no program can be given.');
  const bytes = Buffer.byteLength(text);
  if (bytes >= MAX_STRING_BYTES)
    throw new TerokError('USAGE', `One argument or variable has at most ${MAX_STRING_BYTES - 1} bytes; got ${bytes}.`);
  return bytes + 9;
}
