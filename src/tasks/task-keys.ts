/** The task layer's side of deploy keys that live as long as one task. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { GitSettingsInEffect } from '../core/config/index.ts';
import { type HostRoad, ignoreCodes, messageOf, TerokError } from '../core/index.ts';
import type { Project } from '../projects/index.ts';
import {
  createTaskKey,
  listTaskKeys,
  openForgeKeys,
  parseUpstreamUrl,
  readUpstream,
  revokeTaskKeys,
  taskKeyName,
} from '../upstream/index.ts';
import { Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { vaultDir } from './plan-gateway.ts';
import { openProjectRoad } from './project-road.ts';
import { readTask } from './task-record.ts';

/** Gives the forge a key for this task alone, where the project asks for one. */
export async function provideTaskKey(
  context: TaskContext,
  project: Pick<Project, 'id' | 'dataDir'>,
  { slug, settings }: { readonly slug: string; readonly settings: GitSettingsInEffect },
): Promise<void> {
  if (!settings.taskKeys) return;
  const inputs = await inputsFor(context, project);
  if (inputs === undefined) {
    throw new TerokError('INVALID_CONFIG', '`git.taskKeys` needs an SSH upstream and its forge.', {
      hint: '`terok git upstream set URL --forge gitea --forge-api URL --forge-secret NAME`.',
    });
  }
  await createTaskKey(inputs, slug);
}

/** Private key that a task's pushes use; undefined where it has none of its own. */
export function taskKeyFile(context: TaskContext, slug: string): string | undefined {
  const file = path.join(vaultDir(context), taskKeyName(slug));
  return existsSync(file) ? file : undefined;
}

export interface KeyProblem {
  readonly slug: string;
  readonly message: string;
}

/**
 * Revokes the keys of tasks that are gone, also of those that went long ago. The network may be away, so this never fails a command:
 * what is still at the forge is told, and tried again by the next command.
 */
export async function revokeKeys(context: TaskContext, onProblem: (problem: KeyProblem) => void): Promise<void> {
  try {
    for (const problem of await revokeGoneKeys(context)) onProblem(problem);
  } catch (error) {
    onProblem({ slug: '', message: `keys of tasks that are gone could not be looked through: ${messageOf(error)}` });
  }
}

async function revokeGoneKeys(context: TaskContext): Promise<readonly KeyProblem[]> {
  const root = path.join(context.paths.data, 'projects');
  const problems: KeyProblem[] = [];
  for (const name of (await ignoreCodes(['ENOENT'], () => readdir(root))) ?? []) {
    const dataDir = path.join(root, name);
    const keys = await listTaskKeys(dataDir);
    if (keys.length === 0) continue;
    const gone = new Set<string>();
    for (const { slug } of keys) if ((await readTask(context.paths, slug)) === undefined) gone.add(slug);
    if (gone.size === 0) continue;
    const inputs = await inputsFor(context, { id: name, dataDir });
    const left = inputs === undefined ? keys.filter(({ slug }) => gone.has(slug)) : await revokeTaskKeys(inputs, (slug) => gone.has(slug));
    problems.push(
      ...left.map(({ slug, problem = 'the project has no forge any more' }) => ({
        slug,
        message: `left a deploy key at the forge that could not be revoked: ${problem}`,
      })),
    );
  }
  return problems;
}

async function inputsFor(
  context: TaskContext,
  { id, dataDir }: Pick<Project, 'id' | 'dataDir'>,
): Promise<Parameters<typeof createTaskKey>[0] | undefined> {
  const record = await readUpstream(dataDir);
  if (record?.forge === undefined || parseUpstreamUrl(record.url).kind !== 'ssh') return undefined;
  const vault = new Vault(vaultDir(context));
  const { kind, api, secret } = record.forge;
  // Keys are made at Gitea and GitHub alone
  if (kind === 'gitlab') return undefined;
  const token = async (): Promise<string> => (await vault.get(secret)).reveal().trim();
  const road = async (): Promise<HostRoad> => await openProjectRoad(context, id);
  return {
    projectDataDir: dataDir,
    vault,
    forge: openForgeKeys({ kind, api, repository: parseUpstreamUrl(record.url).path, token, road }),
  };
}
