/**
 * The bottle joins the gateway's namespace and no other.
 *
 * Scope: the namespace file must not be the host's own (a process id that was given to someone else, for example), and the
 * container's first process must be in the very namespace that was checked.
 * Fail-safe direction: what cannot be read is refused.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type BottlePlan, ignoreCodes, messageOf, type SealedNetwork, TerokError } from '../../core/index.ts';

/** Throws REFUSED where the network is the host's own; otherwise returns the inode that the container must be in. */
export async function requireSealedNamespace(plan: BottlePlan, network: SealedNetwork): Promise<number> {
  const inode = await namespaceInode(network.namespacePath);
  if (inode === (await namespaceInode('/proc/self/ns/net'))) {
    throw new TerokError('REFUSED', `\`${network.namespacePath}\` is the network of the host, not a sealed one.`, {
      context: { slug: plan.spec.slug },
    });
  }
  return inode;
}

/** Throws REFUSED unless the process sits in that network namespace and, rootless, in a user namespace of its own. */
export async function assertInNamespace(pid: number, inode: number, rootless: boolean): Promise<void> {
  const actual = await namespaceInode(`/proc/${pid}/ns/net`);
  if (actual !== inode)
    throw new TerokError('REFUSED', `The container is in the network namespace ${actual}, not in the sealed one (${inode}).`);
  if (!rootless) return;
  const [own, its] = await Promise.all([namespaceInode('/proc/self/ns/user'), namespaceInode(`/proc/${pid}/ns/user`)]);
  if (own === its) throw new TerokError('REFUSED', 'The container has no user namespace of its own.');
}

export async function readPid(ownDirs: readonly string[]): Promise<number | undefined> {
  for (const dir of ownDirs) {
    const text = await ignoreCodes(['ENOENT'], () => readFile(path.join(dir, 'pidfile'), 'utf8'));
    const pid = Number(text ?? 0);
    if (Number.isInteger(pid) && pid > 1) return pid;
  }
  return undefined;
}

async function namespaceInode(file: string): Promise<number> {
  try {
    return (await stat(file)).ino;
  } catch (error) {
    throw new TerokError('GATEWAY_FAILED', `The namespace \`${file}\` cannot be examined: ${messageOf(error)}`, {
      hint: 'Start the bottle again; its gateway is gone.',
      cause: error,
    });
  }
}
