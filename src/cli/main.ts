import { readFileSync } from 'node:fs';
import { ownFile } from '../core/own-file.ts';
import type { CommandName } from './command-table.ts';
import { COMMAND_NAMES, GROUPS } from './command-table.ts';
import { renderCommand, renderGroup, renderOverview } from './render/help.ts';

/** Runs one command line and gives the exit status of the process. Help is printed without loading anything else. */
export async function main(argv: readonly string[], process: NodeJS.Process): Promise<number> {
  endQuietlyWithoutReader(process);
  const help = helpFor(argv);
  if (help === undefined) return await (await import('./run-command.ts')).runCommand(argv, process);
  process.stdout.write(help);
  return argv.length === 0 ? 120 : 0;
}

/** The text of a help request; undefined where `argv` is a command to be run. */
function helpFor(argv: readonly string[]): string | undefined {
  const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h';
  const [first, second, third] = argv;
  if (first === undefined || (isHelp(first) && argv.length === 1)) return renderOverview(version());
  if (first === '--version' || first === '-V') return `${version()}\n`;
  const words =
    first === 'help' ? argv.slice(1) : isHelp(second) ? [first] : isHelp(third) && second !== undefined ? [first, second] : undefined;
  if (words === undefined) return Object.hasOwn(GROUPS, first) && second === undefined ? renderGroup(first) : undefined;
  if (words.length === 0) return renderOverview(version());
  const name = words.join(' ');
  if (Object.hasOwn(GROUPS, name)) return renderGroup(name);
  return COMMAND_NAMES.includes(name as CommandName) ? renderCommand(name as CommandName) : undefined;
}

function version(): string {
  const manifest = JSON.parse(readFileSync(ownFile({ source: '../package.json', built: '../package.json' }), 'utf8')) as {
    readonly version: string;
  };
  return manifest.version;
}

/** `terok list | head` closes our output early, as does a terminal that is closed (EIO); that is no error. */
function endQuietlyWithoutReader(process: NodeJS.Process): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    });
  }
}
