/** What is known to be wrong with the git of this machine. terok's own commands are attacked by the rows, whatever is listed here. */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../core/index.ts';
import type { RedBench } from '../bench/index.ts';

interface Flaw {
  readonly id: string;
  readonly what: string;
  /** First release of each line that closed it, oldest first; every line after the last has it closed */
  readonly closedIn: readonly string[];
}

/** The one that can be tried without harm */
const CARRIAGE_RETURN = 'CVE-2025-48384';

const FLAWS: readonly Flaw[] = [
  { id: 'CVE-2022-24765', what: 'the configuration of a repository of another user is obeyed', closedIn: ['2.30.3', '2.34.2', '2.35.2'] },
  { id: 'CVE-2022-39253', what: 'a clone on this machine follows links among the objects', closedIn: ['2.30.6', '2.37.4', '2.38.1'] },
  { id: 'CVE-2022-41903, -23521', what: 'formats and attributes overflow memory', closedIn: ['2.30.7', '2.38.3', '2.39.1'] },
  { id: 'CVE-2023-22490, -23946', what: 'a clone or a patch reads or writes files elsewhere', closedIn: ['2.30.8', '2.38.4', '2.39.2'] },
  { id: 'CVE-2023-25652, -29007', what: 'a patch or a submodule writes settings', closedIn: ['2.30.9', '2.38.5', '2.39.3', '2.40.1'] },
  {
    id: 'CVE-2024-32002, -32004, -32465',
    what: 'a clone runs a hook of a submodule or of a prepared repository',
    closedIn: ['2.39.4', '2.40.2', '2.41.1', '2.42.2', '2.43.4', '2.44.1', '2.45.1'],
  },
  {
    id: 'CVE-2024-50349, -52006',
    what: 'a credential is asked for, or given, under a false name',
    closedIn: ['2.40.4', '2.41.3', '2.42.4', '2.43.6', '2.44.3', '2.45.3', '2.46.3', '2.47.2', '2.48.1'],
  },
  {
    id: CARRIAGE_RETURN,
    what: 'a submodule whose path ends in a carriage return is put elsewhere, and its hook runs',
    closedIn: ['2.43.7', '2.44.4', '2.45.4', '2.46.4', '2.47.3', '2.48.2', '2.49.1', '2.50.1'],
  },
  {
    id: 'CVE-2025-48385, -48386',
    what: 'a server chooses files that a clone writes; a helper for credentials overflows on Windows',
    closedIn: ['2.43.7', '2.44.4', '2.45.4', '2.46.4', '2.47.3', '2.48.2', '2.49.1', '2.50.1'],
  },
];

type Version = readonly [major: number, minor: number, patch: number];

/** Lines for a person: the version, and each known flaw that it has. */
export async function gitFlawNotes(bench: RedBench): Promise<readonly string[]> {
  const text = (await run(['git', 'version'])).stdout.toString('utf8').trim();
  const open = openFlaws(text);
  if (open.length === 0) return [`${text}: has none of the ${FLAWS.length} known flaws that terok looks for.`];
  const keepsReturn = await keepsCarriageReturn(bench.directory);
  return [
    `${text}, by its number, has the flaws below; a distribution may have closed them without a new number. What terok does itself is attacked by the rows all the same; they matter where you use git by hand.`,
    ...open.map(({ id, what, closedIn }) => {
      const measured = id !== CARRIAGE_RETURN ? '' : keepsReturn ? ' Tried here: closed.' : ' Tried here: open.';
      return `${id}: ${what}. Closed in ${closedIn.at(-1)} and in ${closedIn.slice(0, -1).join(', ')}.${measured}`;
    }),
  ];
}

/** @param text as `git version` prints it */
export function openFlaws(text: string): readonly Flaw[] {
  const version = parse(text);
  return version === undefined ? FLAWS : FLAWS.filter(({ closedIn }) => !isClosed(version, closedIn.map(parse)));
}

function isClosed(version: Version, closedIn: readonly (Version | undefined)[]): boolean {
  const line = closedIn.find((closed) => closed?.[0] === version[0] && closed[1] === version[1]);
  if (line !== undefined) return version[2] >= line[2];
  const [major, minor] = closedIn.at(-1) ?? [0, 0, 0];
  return version[0] > major || (version[0] === major && version[1] > minor);
}

function parse(text: string): Version | undefined {
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3])];
}

/** The flaw itself: git wrote such a value without the quotes that keep its end. */
async function keepsCarriageReturn(directory: string): Promise<boolean> {
  const file = path.join(directory, 'carriage-return');
  await writeFile(file, '');
  const config = ['git', 'config', '--file', file];
  await run([...config, 'a.b', 'value\r']);
  const { stdout } = await run([...config, '--get', 'a.b']);
  await rm(file);
  return stdout.toString('utf8') === 'value\r\n';
}
