/*
 * Scope: deploy keys that live as long as one task: made at the forge, recorded before they are used, revoked when the task goes.
 * Out of scope: when a task goes. Fail-safe direction: the wish for a key is recorded before the forge is asked, so that no key is ever
 * at the forge without a record; one that cannot be revoked stays recorded, is told, and is tried again.
 */
import path from 'node:path';
import { z } from 'zod';
import { createSshKey, messageOf, parseSlug, readStateFile, withLock, writeStateFile } from '../core/index.ts';
import { Secret, type Vault } from '../vault/index.ts';
import type { ForgeKeys } from './forge-api.ts';

const entrySchema = z.strictObject({
  slug: z.string(),
  /** Absent while the forge is being asked */
  id: z.int().optional(),
  publicKey: z.string(),
  createdAt: z.iso.datetime(),
  /** Why the last attempt to revoke it failed */
  problem: z.string().optional(),
});
const keysSchema = z.strictObject({ version: z.literal(1), keys: z.array(entrySchema) });

/** A key that the forge has, or may have */
export type TaskKey = z.infer<typeof entrySchema>;

export interface TaskKeyInputs {
  readonly projectDataDir: string;
  readonly vault: Vault;
  readonly forge: ForgeKeys;
}

export function taskKeyName(slug: string): string {
  return `git-task.${parseSlug(slug)}`;
}

/** Keys of a project that were not revoked. */
export async function listTaskKeys(projectDataDir: string): Promise<readonly TaskKey[]> {
  return (await readStateFile(fileOf(projectDataDir), keysSchema))?.keys ?? [];
}

/** Makes a key for a task and gives it to the forge. The private half is in the vault under `taskKeyName`. */
export async function createTaskKey({ projectDataDir, vault, forge }: TaskKeyInputs, slug: string): Promise<TaskKey> {
  const key = createSshKey(`terok ${slug}`);
  const entry: TaskKey = { slug, publicKey: key.publicKey, createdAt: new Date().toISOString() };
  await vault.set(taskKeyName(slug), new Secret(key.privateKey));
  await change(projectDataDir, (keys) => [...keys, entry]);
  const id = await forge.create(`terok ${slug}`, key.publicKey);
  const known = { ...entry, id };
  await change(projectDataDir, (keys) => keys.map((each) => (each.publicKey === entry.publicKey ? known : each)));
  return known;
}

/** Revokes the keys of tasks for which `isGone` holds; gives those that are still at the forge, with the reason. */
export async function revokeTaskKeys(
  { projectDataDir, vault, forge }: TaskKeyInputs,
  isGone: (slug: string) => boolean,
): Promise<readonly TaskKey[]> {
  const left: TaskKey[] = [];
  for (const entry of (await listTaskKeys(projectDataDir)).filter(({ slug }) => isGone(slug))) {
    try {
      const id = entry.id ?? (await forge.find(entry.publicKey));
      if (id !== undefined) await forge.revoke(id);
      await vault.remove(taskKeyName(entry.slug));
      await change(projectDataDir, (keys) => keys.filter(({ publicKey }) => publicKey !== entry.publicKey));
    } catch (error) {
      const failed = { ...entry, problem: messageOf(error) };
      left.push(failed);
      await change(projectDataDir, (keys) => keys.map((each) => (each.publicKey === entry.publicKey ? failed : each)));
    }
  }
  return left;
}

async function change(projectDataDir: string, edit: (keys: readonly TaskKey[]) => readonly TaskKey[]): Promise<void> {
  const file = fileOf(projectDataDir);
  await withLock(file, async () => await writeStateFile(file, { version: 1, keys: edit(await listTaskKeys(projectDataDir)) }));
}

function fileOf(projectDataDir: string): string {
  return path.join(projectDataDir, 'task-keys.json');
}
