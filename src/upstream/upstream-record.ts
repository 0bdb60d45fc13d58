import path from 'node:path';
import { z } from 'zod';
import { readStateFile, SECRET_NAME, writeStateFile } from '../core/index.ts';

const secretName = z.string().regex(SECRET_NAME);

const forgeSchema = z.strictObject({
  kind: z.enum(['gitea', 'github', 'gitlab']),
  /** Base of the API, without a slash at its end */
  api: z.url({ protocol: /^https?$/ }),
  /** Secret of the vault with a token that may manage deploy keys and pull requests */
  secret: secretName,
});

export type ForgeRecord = z.infer<typeof forgeSchema>;

const upstreamSchema = z.strictObject({
  version: z.literal(1),
  /** As `parseUpstreamUrl` gives it */
  url: z.string(),
  /** Lines of `known_hosts` type: `ssh-ed25519 AAAA…`; of an SSH upstream */
  hostKeys: z.array(z.string().regex(/^(?:ssh-|ecdsa-)[a-z0-9-]+ [A-Za-z0-9+/=]+$/)).optional(),
  /** Uses the SSH agent of the user in place of the project's own key */
  useAgent: z.boolean().optional(),
  /** Secret of the vault; of an HTTPS upstream */
  secret: secretName.optional(),
  /** User name that goes with the secret */
  user: z
    .string()
    .regex(/^[\w.@+-]{1,100}$/)
    .optional(),
  forge: forgeSchema.optional(),
});

/** Where the work of a project goes, as its user said: `<project data>/upstream.json`. Names secrets, holds none. */
export type UpstreamRecord = z.infer<typeof upstreamSchema>;

function upstreamFile(projectDataDir: string): string {
  return path.join(projectDataDir, 'upstream.json');
}

/** The pinned host keys of the upstream, as ssh reads them. */
export function knownHostsFile(projectDataDir: string): string {
  return path.join(projectDataDir, 'known_hosts');
}

/** The CAs of the upstream, as git reads them. */
export function rootsFile(projectDataDir: string): string {
  return path.join(projectDataDir, 'upstream-roots.pem');
}

export async function readUpstream(projectDataDir: string): Promise<UpstreamRecord | undefined> {
  return await readStateFile(upstreamFile(projectDataDir), upstreamSchema);
}

export async function writeUpstream(projectDataDir: string, record: UpstreamRecord): Promise<void> {
  await writeStateFile(upstreamFile(projectDataDir), upstreamSchema.parse(record));
}
