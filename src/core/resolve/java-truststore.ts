/** The trust roots of a bottle as Java reads them: a key store of the kind JKS, written without Java. */
import { createHash } from 'node:crypto';

/** Protects nothing, because the file is public; every Java program tries it. */
export const TRUSTSTORE_PASSWORD = 'changeit';

const MAGIC = 0xfeedfeed;
const VERSION = 2;
const TRUSTED_CERTIFICATE = 2;
/** What the format mixes into its check sum. */
const SALT = 'Mighty Aphrodite';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** @param bundlePem all certificates that are trusted, PEM */
export function javaTruststore(bundlePem: string): Buffer {
  const certificates = Array.from(bundlePem.matchAll(CERTIFICATE), ([, body]) => Buffer.from(body ?? '', 'base64'));
  const header = Buffer.alloc(12);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(VERSION, 4);
  header.writeUInt32BE(certificates.length, 8);
  const store = Buffer.concat([header, ...certificates.map((der, index) => entryOf(`root-${index}`, der))]);
  const password = Buffer.from(TRUSTSTORE_PASSWORD, 'utf16le').swap16();
  return Buffer.concat([store, createHash('sha1').update(password).update(SALT).update(store).digest()]);
}

/** The date of an entry means nothing here; a fixed one makes equal roots equal files. */
function entryOf(alias: string, der: Buffer): Buffer {
  const tag = Buffer.alloc(4);
  tag.writeUInt32BE(TRUSTED_CERTIFICATE);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(der.length);
  return Buffer.concat([tag, shortText(alias), Buffer.alloc(8), shortText('X.509'), length, der]);
}

function shortText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
