/** What only one bottle has: certificate authority, channel keys, loopback address, canary. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { bottleDirs, ignoreCodes, type SeedFile, settleAll, writePrivateFile } from '../core/index.ts';
import { acquireLoopbackAlias, combinedBundle, javaTruststore, mintBottleCa } from '../core/resolve/index.ts';
import { createChannelIdentity } from '../exec-channel/index.ts';
import type { GatewayPlan } from '../sidecars/gateway/index.ts';
import type { TaskContext } from './context.ts';

/** Where the bottle keeps its trust roots. */
export const TRUST_PATHS = { ca: '/etc/terok/ca.pem', bundle: '/etc/terok/bundle.pem', truststore: '/etc/terok/truststore.jks' } as const;

/** A token that is noticed when it leaves the bottle, in a file such as backup programs have. */
const CANARY_PATH = '/etc/backup/storage.env';

const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

export interface Identity {
  readonly seeds: readonly SeedFile[];
  /** Loopback address of the host for published ports; belongs into the record */
  readonly alias: string | undefined;
}

/** Makes what only this bottle has: certificate authority, channel keys, and a loopback alias where it publishes ports. */
export async function mintIdentity(
  context: TaskContext,
  slug: string,
  { hasCanary, publishes }: { readonly hasCanary: boolean; readonly publishes: boolean },
): Promise<Identity> {
  const { stateDir } = bottleDirs(context.paths, slug);
  const [ca, alias, system] = await settleAll([
    mintBottleCa(slug),
    publishes ? acquireLoopbackAlias(context.paths, slug) : undefined,
    ignoreCodes(['ENOENT'], () => readFile(SYSTEM_BUNDLE, 'utf8')),
    createChannelIdentity(stateDir),
  ]);
  const files = caFiles(stateDir);
  const canary = hasCanary ? mintCanary() : undefined;
  await settleAll([
    canary === undefined ? undefined : writePrivateFile(canaryFile(stateDir), canary),
    writePrivateFile(files.certificate, ca.certificatePem),
    writePrivateFile(files.key, ca.keyPem),
  ]);
  const bundle = combinedBundle(system ?? '', ca.certificatePem);
  const seed = (target: string, content: string | Buffer): SeedFile => ({ path: target, content, mode: 0o644, owner: 'root' });
  return {
    seeds: [
      seed(TRUST_PATHS.ca, ca.certificatePem),
      seed(TRUST_PATHS.bundle, bundle),
      seed(TRUST_PATHS.truststore, javaTruststore(bundle)),
      seed(SYSTEM_BUNDLE, bundle),
      ...(canary === undefined ? [] : [seed(CANARY_PATH, canaryFileContent(canary))]),
    ],
    alias,
  };
}

/** Small letters and digits, so that it survives wherever it is sent, in a host name too. */
function mintCanary(): string {
  return `bkp${randomBytes(20).toString('hex')}`;
}

/** What who looks for credentials would take along; nothing in the bottle reads it. */
function canaryFileContent(canary: string): string {
  return `BACKUP_STORAGE_URL=https://storage.backup.internal/nightly\nBACKUP_STORAGE_TOKEN=${canary}\n`;
}

/** Holds the canary of a bottle that has one. */
export function canaryFile(stateDir: string): string {
  return path.join(stateDir, 'canary');
}

/** PEM files of a bottle's certificate authority. */
export function caFiles(stateDir: string): GatewayPlan['ca'] {
  return { certificate: path.join(stateDir, 'ca', 'certificate.pem'), key: path.join(stateDir, 'ca', 'key.pem') };
}
