import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { type BottleCa, loadCertificateBuilder } from '../certificate.ts';

const DAY_MS = 86_400_000;
/** A bottle rarely lives for weeks; a leaked trust store entry ends by itself. */
const CA_DAYS = 730;

/**
 * Makes the certificate authority of one bottle in about 10 ms, most of it loading the ASN.1 writer.
 *
 * @example
 * const ca = await mintBottleCa('fix-login');
 * await writePrivateFile(path.join(stateDir, 'ca', 'key.pem'), ca.keyPem);
 */
export async function mintBottleCa(slug: string, now: Date = new Date()): Promise<BottleCa> {
  const [{ privateKey, publicKey }, build] = await Promise.all([
    promisify(generateKeyPair)('ec', { namedCurve: 'P-256' }),
    loadCertificateBuilder(),
  ]);
  const subject = `terok bottle ${slug}`;
  const certificatePem = build(
    {
      subject,
      publicKey,
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + CA_DAYS * DAY_MS),
      use: { kind: 'ca' },
    },
    { subject, privateKey, publicKey },
  );
  return { certificatePem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** The host's trust roots and the bottle's CA in one PEM file, each certificate once on lines of its own. */
export function combinedBundle(systemPem: string, caPem: string): string {
  const certificates = `${systemPem}\n${caPem}`.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return `${[...new Set(certificates.map((pem) => pem.replaceAll('\r', '')))].join('\n')}\n`;
}
