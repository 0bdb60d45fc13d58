/*
 * Scope: which certificate authorities the host trusts. Out of scope: what they are used for.
 * Fail-safe direction: a file that cannot be read adds no trust.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';

/** Where systems keep all their roots in one file: Debian and its kin, Fedora, SUSE, Alpine and the BSDs. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * What the host trusts, as PEM, each certificate once: the roots of the operating system, or Node's own where it has none, and those of
 * NODE_EXTRA_CA_CERTS; SSL_CERT_FILE and SSL_CERT_DIR say where the roots are. Files are read because the lists that Node makes of them
 * stay in memory twice, 5 MiB.
 */
export function hostRoots(env: NodeJS.ProcessEnv = process.env, bundles: readonly string[] = BUNDLES): string[] {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: dirs = '', NODE_EXTRA_CA_CERTS: extra } = env;
  const bundle = file ?? bundles.find((place) => existsSync(place));
  const files = [...(bundle === undefined ? [] : [bundle]), ...dirs.split(':').flatMap(filesOf)];
  const system = certificatesOf(files);
  const roots = system.length > 0 ? system : tls.getCACertificates('bundled');
  return [...new Set([...roots, ...certificatesOf(extra === undefined ? [] : [extra])])];
}

function filesOf(dir: string): string[] {
  return dir === '' || !existsSync(dir) ? [] : readdirSync(dir).map((name) => path.join(dir, name));
}

function certificatesOf(files: readonly string[]): string[] {
  const texts = files.filter(isFile).map((file) => readFileSync(file, 'latin1'));
  return [...new Set(texts.flatMap((text) => text.match(CERTIFICATE) ?? []))];
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
