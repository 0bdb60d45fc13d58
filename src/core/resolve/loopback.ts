import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ignoreCodes, TerokError } from '../errors.ts';
import { withLock } from '../lock.ts';
import { bottleDirs, type TerokPaths } from '../paths.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '../process-identity.ts';
import { processIdentitySchema } from '../process-identity-schema.ts';
import { readStateFile, writeStateFile } from '../state-file.ts';

/** Every address of 127.0.0.0/8 is this host on Linux; this block is seldom used by anything else. */
const BLOCK = '127.77';
const HOSTS_PER_OCTET = 254;
const ADDRESSES = 256 * HOSTS_PER_OCTET;

const registry = z.strictObject({
  version: z.literal(1),
  /** Address → the bottle that has it and the process that took it */
  aliases: z.record(z.string(), z.strictObject({ slug: z.string(), holder: processIdentitySchema })),
});
type Registry = z.infer<typeof registry>;

/**
 * Gives a bottle a loopback address of its own, so that two bottles never fight for a port of the host. Asking again gives the same
 * address. It belongs to the bottle until it is released, its directory is gone, or its holder died before the bottle had a record.
 */
export async function acquireLoopbackAlias(paths: TerokPaths, slug: string, platform: NodeJS.Platform = process.platform): Promise<string> {
  if (platform !== 'linux') {
    throw new TerokError('UNSUPPORTED_BY_BACKEND', `Loopback addresses for bottles need Linux; this is \`${platform}\`.`, {
      context: { slug },
    });
  }
  return await change(paths, async (current) => {
    const mine = Object.entries(current.aliases).find(([, entry]) => entry.slug === slug)?.[0];
    const alias = mine ?? (await freeAlias(paths, current, slug));
    return [{ version: 1, aliases: { ...current.aliases, [alias]: { slug, holder: thisProcess() } } }, alias];
  });
}

/** Gives a bottle's address back; nothing to give back is success. */
export async function releaseLoopbackAlias(paths: TerokPaths, slug: string): Promise<void> {
  await change(paths, async (current) => [
    { version: 1, aliases: Object.fromEntries(Object.entries(current.aliases).filter(([, entry]) => entry.slug !== slug)) },
    undefined,
  ]);
}

async function change<T>(paths: TerokPaths, work: (current: Registry) => Promise<[Registry, T]>): Promise<T> {
  const file = path.join(paths.state, 'loopback.json');
  return await withLock(file, async () => {
    const [next, result] = await work((await readStateFile(file, registry)) ?? { version: 1, aliases: {} });
    await writeStateFile(file, next);
    return result;
  });
}

/** The first free address at or after the one that the slug stands for; an address whose holder is gone is free. */
async function freeAlias(paths: TerokPaths, current: Registry, slug: string): Promise<string> {
  const first = createHash('sha256').update(`${paths.state}\0${slug}`).digest().readUInt32BE(0) % ADDRESSES;
  for (let step = 0; step < ADDRESSES; step += 1) {
    const alias = addressAt((first + step) % ADDRESSES);
    const entry = current.aliases[alias];
    if (entry === undefined || !(await isHeld(paths, entry.slug, entry.holder))) return alias;
  }
  throw new TerokError('ALREADY_EXISTS', `All ${ADDRESSES} loopback addresses of ${BLOCK}.0.0/16 are held by bottles.`, {
    hint: 'Remove bottles that are not needed with `terok rm`.',
  });
}

function addressAt(index: number): string {
  return `${BLOCK}.${Math.floor(index / HOSTS_PER_OCTET)}.${1 + (index % HOSTS_PER_OCTET)}`;
}

async function isHeld(paths: TerokPaths, slug: string, holder: ProcessIdentity): Promise<boolean> {
  const { stateDir } = bottleDirs(paths, slug);
  if (!(await exists(stateDir))) return false;
  return isAlive(holder) || (await exists(path.join(stateDir, 'record.json')));
}

async function exists(file: string): Promise<boolean> {
  return (await ignoreCodes(['ENOENT', 'ENOTDIR'], async () => (await access(file), true))) ?? false;
}

function thisProcess(): ProcessIdentity {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new TerokError('RUNTIME_FAILED', '`/proc` does not show this process; terok needs a mounted `/proc`.');
  return self;
}
