import { existsSync, readFileSync } from 'node:fs';
import tls from 'node:tls';

/** Where systems keep all their roots in one file: Debian and its kin, Fedora, SUSE, Alpine and the BSDs. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * What the host trusts, as PEM: the roots of the operating system, or Node's own where it has none, and those of NODE_EXTRA_CA_CERTS.
 * The bundle is read as a file because the list that Node makes of it stays in memory twice, 5 MiB.
 */
export function hostRoots(env: NodeJS.ProcessEnv = process.env, bundles: readonly string[] = BUNDLES): string[] {
  const places = env.SSL_CERT_FILE === undefined ? bundles : [env.SSL_CERT_FILE];
  const bundle = env.SSL_CERT_DIR === undefined ? places.find((file) => existsSync(file)) : undefined;
  const extra = env.NODE_EXTRA_CA_CERTS === undefined ? [] : tls.getCACertificates('extra');
  if (bundle !== undefined) return [readFileSync(bundle, 'utf8'), ...extra];
  const system = tls.getCACertificates('system');
  return [...(system.length > 0 ? system : tls.getCACertificates('bundled')), ...extra];
}
