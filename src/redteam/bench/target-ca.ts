import { generateKeyPair } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { issuerOf, loadCertificateBuilder, writePrivateFile } from '../../core/index.ts';
import { mintBottleCa } from '../../core/resolve/index.ts';

export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
}

/** Signs the certificates of targets. Its key is in the memory of this process alone. */
export interface TargetCa {
  readonly certificateFile: string;
  readonly certificatePem: string;
  issue(name: string): Promise<ServerIdentity>;
}

const DAY_MS = 86_400_000;

export async function makeTargetCa(directory: string): Promise<TargetCa> {
  const [ca, build] = await Promise.all([mintBottleCa('redteam'), loadCertificateBuilder()]);
  const certificateFile = path.join(directory, 'target-ca.pem');
  await writePrivateFile(certificateFile, ca.certificatePem);
  return {
    certificateFile,
    certificatePem: ca.certificatePem,
    async issue(name) {
      const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
      const [notBefore, notAfter] = [new Date(Date.now() - DAY_MS), new Date(Date.now() + DAY_MS)];
      const cert = build({ subject: name, publicKey, notBefore, notAfter, use: { kind: 'server', name } }, issuerOf(ca));
      return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}
