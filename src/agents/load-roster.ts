import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseConfig } from '../core/config/index.ts';
import { ignoreCodes, ownFile, TerokError } from '../core/index.ts';
import type { Agent } from './roster-schema.ts';

export interface RosterEntry {
  readonly agent: Agent;
  /** `built-in`, or the user's file */
  readonly origin: string;
}

/** Agent name → entry, sorted by name. */
export type Roster = ReadonlyMap<string, RosterEntry>;

const BUILT_IN_DIR = ownFile({ source: 'agents/roster/', built: 'roster/' });

/** The built-in agents and those of `<configDir>/agents/*.yaml`; a user's file of the same name replaces a built-in one. */
export async function loadRoster(configDir: string): Promise<Roster> {
  const userDir = path.join(configDir, 'agents');
  const builtIn = await readEntries(BUILT_IN_DIR, () => 'built-in');
  const own = (await ignoreCodes(['ENOENT'], () => readEntries(userDir, (file) => file))) ?? [];
  assertDistinct(own);
  const merged = new Map([...builtIn, ...own].map((entry) => [entry.agent.name, entry]));
  return new Map([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Throws NOT_FOUND, naming the agents that exist. */
export function findAgent(roster: Roster, name: string): Agent {
  const entry = roster.get(name);
  if (entry !== undefined) return entry.agent;
  throw new TerokError(
    'NOT_FOUND',
    `There is no agent \`${name}\`; there are ${[...roster.keys()].map((known) => `\`${known}\``).join(', ')}.`,
    {
      context: { agent: name, known: [...roster.keys()] },
      hint: 'Choose one of these, or add a YAML file to the directory `agents` of the configuration.',
    },
  );
}

async function readEntries(dir: string, originOf: (file: string) => string): Promise<RosterEntry[]> {
  const { agentSchema } = await import('./roster-schema.ts');
  const names = (await readdir(dir)).filter((name) => /\.ya?ml$/.test(name)).sort();
  return await Promise.all(
    names.map(async (name) => {
      const file = path.join(dir, name);
      return { agent: parseConfig(await readFile(file, 'utf8'), file, agentSchema), origin: originOf(file) };
    }),
  );
}

function assertDistinct(entries: readonly RosterEntry[]): void {
  const seen = new Map<string, string>();
  for (const { agent, origin } of entries) {
    const other = seen.get(agent.name);
    if (other !== undefined)
      throw new TerokError('INVALID_CONFIG', `\`${other}\` and \`${origin}\` both define the agent \`${agent.name}\`.`, {
        hint: 'Remove or rename one of them.',
      });
    seen.set(agent.name, origin);
  }
}
