import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { issuerOf, loadCertificateBuilder } from '../../../src/core/index.ts';
import { combinedBundle, mintBottleCa, trustEnvironment } from '../../../src/core/resolve/index.ts';

const DAY_MS = 86_400_000;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'terok-ca-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function leafOf(ca: { certificatePem: string; keyPem: string }, name: string): Promise<{ cert: string; key: string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const build = await loadCertificateBuilder();
  const now = Date.now();
  const cert = build(
    { subject: name, publicKey, notBefore: new Date(now - DAY_MS), notAfter: new Date(now + 90 * DAY_MS), use: { kind: 'server', name } },
    issuerOf(ca),
  );
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

describe('mintBottleCa', () => {
  test('makes a CA of its own for each bottle', async () => {
    const [one, two] = await Promise.all([mintBottleCa('one'), mintBottleCa('one')]);
    const certificate = new X509Certificate(one.certificatePem);
    expect(certificate.ca).toBe(true);
    expect(certificate.subject).toBe('CN=terok bottle one');
    expect(certificate.checkPrivateKey(createPrivateKey(one.keyPem))).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(one.keyPem).not.toBe(two.keyPem);
    expect(certificate.serialNumber).not.toBe(new X509Certificate(two.certificatePem).serialNumber);
  });

  test('its leaves satisfy openssl in strict mode, and another CA does not vouch for them', async () => {
    const [ca, other] = [await mintBottleCa('one'), await mintBottleCa('one')];
    const { cert } = await leafOf(ca, 'api.example.com');
    writeFileSync(path.join(dir, 'ca.pem'), ca.certificatePem);
    writeFileSync(path.join(dir, 'other.pem'), other.certificatePem);
    writeFileSync(path.join(dir, 'leaf.pem'), cert);
    const verify = (file: string, host = 'api.example.com') =>
      execFileSync('openssl', ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', host, '-CAfile', file, 'leaf.pem'], {
        cwd: dir,
        encoding: 'utf8',
        stdio: 'pipe',
      });
    expect(verify('ca.pem')).toContain('OK');
    expect(() => verify('other.pem')).toThrow();
    expect(() => verify('ca.pem', 'other.example.com')).toThrow();
  });

  test('a long name stands in the alternative name alone', async () => {
    const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`;
    expect(new X509Certificate((await leafOf(await mintBottleCa('one'), name)).cert).checkHost(name)).toBe(name);
  });

  test('a leaf is accepted by the strict check of Python 3.13', async (context) => {
    const python = ['python3.13', 'python3.14']
      .flatMap((name) => [`/usr/bin/${name}`, `/usr/local/bin/${name}`, `${process.env.HOME}/.pyenv/versions/3.13.0/bin/${name}`])
      .find((file) => existsSync(file));
    if (python === undefined) return context.skip('no Python 3.13 or later is installed');
    const ca = await mintBottleCa('one');
    const { cert, key } = await leafOf(ca, 'api.example.com');
    writeFileSync(path.join(dir, 'ca.pem'), ca.certificatePem);
    writeFileSync(path.join(dir, 'leaf.pem'), cert);
    writeFileSync(path.join(dir, 'leaf.key'), key, { mode: 0o600 });
    const script = `
import ssl
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain('leaf.pem', 'leaf.key')
client = ssl.create_default_context(cafile='ca.pem'); assert client.verify_flags & ssl.VERIFY_X509_STRICT
a, b, c, d = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
s = server.wrap_bio(a, b, server_side=True); k = client.wrap_bio(b, a, server_hostname='api.example.com')
done = set()
for _ in range(10):
  for side in (k, s):
    try: side.do_handshake(); done.add(side)
    except ssl.SSLWantReadError: pass
assert len(done) == 2; print(k.version())
`;
    expect(execFileSync(python, ['-c', script], { cwd: dir, encoding: 'utf8' })).toContain('TLSv1.3');
  });
});

describe('what a bottle trusts', () => {
  test('the bundle has each root once and the CA', async () => {
    const ca = await mintBottleCa('one');
    const system = rootCertificates.slice(0, 3).join('\n');
    const bundle = combinedBundle(`# comment\r\n${system.replaceAll('\n', '\r\n')}\n${rootCertificates[0]}`, ca.certificatePem);
    expect(bundle.match(/BEGIN CERTIFICATE/g)).toHaveLength(4);
    writeFileSync(path.join(dir, 'bundle.pem'), bundle);
    writeFileSync(path.join(dir, 'ca.pem'), ca.certificatePem);
    expect(execFileSync('openssl', ['verify', '-CAfile', 'bundle.pem', 'ca.pem'], { cwd: dir, encoding: 'utf8' })).toContain('OK');
    expect(readFileSync(path.join(dir, 'bundle.pem'), 'utf8')).not.toContain('\r');
  });

  test('every variable names a file of the bottle', () => {
    const environment = trustEnvironment({
      ca: '/etc/terok/ca.pem',
      bundle: '/etc/terok/bundle.pem',
      truststore: '/etc/terok/truststore.jks',
    });
    for (const name of [
      'SSL_CERT_FILE',
      'CURL_CA_BUNDLE',
      'REQUESTS_CA_BUNDLE',
      'GIT_SSL_CAINFO',
      'PIP_CERT',
      'NPM_CONFIG_CAFILE',
      'CARGO_HTTP_CAINFO',
      'AWS_CA_BUNDLE',
      'NIX_SSL_CERT_FILE',
    ]) {
      expect(environment[name]).toBe('/etc/terok/bundle.pem');
    }
    expect(environment.NODE_EXTRA_CA_CERTS).toBe('/etc/terok/ca.pem');
    expect(environment.SSL_CERT_DIR).toBeUndefined();
  });
});
