/** An HTTPS upstream behind the proxy of a company, with a certificate of its CA. */
import { hash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { mintBottleCa } from '../../src/core/resolve/index.ts';
import { Secret } from '../../src/vault/index.ts';
import { listen, serverCertificate } from './egress-harness.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';

/** A name that this machine does not know */
const HOST = 'git.test.example';
const LOGIN = 'worker:a "pass" 100%';

interface Bench extends ForgeProject {
  readonly clone: string;
  /** Targets of the tunnels that the proxy opened */
  readonly tunnels: string[];
  /** What the configuration says about the way out */
  configure(egress: object): Promise<void>;
  readonly caFile: string;
  readonly proxyUrl: string;
}

async function openBench(): Promise<Bench> {
  const bench = await openForgeProject();
  const { lab, forge, imported, vaultDir, source, terok, paths, vault } = bench;
  const ca = await mintBottleCa('company');
  const secure = tls.createServer(await serverCertificate(ca, HOST), (socket) => forge.accept(socket));
  const securePort = await listen(secure);
  const tunnels: string[] = [];
  const proxy = startProxy(securePort, tunnels);
  const proxyUrl = `http://127.0.0.1:${await listen(proxy)}`;
  forge.lfsStore = `https://${HOST}`;
  const caFile = path.join(lab.root, 'company.pem');
  await writeFile(caFile, ca.certificatePem);
  await vault.set('corp', new Secret(LOGIN));
  await terok.git.setUpstream(source, { url: `https://${HOST}/team/shop.git`, secret: 'forge' });
  const lfs = { directory: path.join(lab.root, 'lfs'), offered: path.join(source, '.git/lfs/objects') };
  return {
    ...bench,
    clone: await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir, lfs }), 'shop'),
    tunnels,
    caFile,
    proxyUrl,
    configure: async (egress) => await writeFile(path.join(paths.config, 'config.yml'), JSON.stringify({ egress })),
    async [Symbol.asyncDispose]() {
      secure.close();
      proxy.close();
      await bench[Symbol.asyncDispose]();
    },
  };
}

/** Opens a tunnel to one port, whatever name is asked for, for who knows the login. */
function startProxy(port: number, tunnels: string[]): net.Server {
  return net.createServer((client) => {
    client.on('error', () => client.destroy());
    client.once('data', (bytes: Buffer) => {
      const head = bytes.toString('latin1');
      if (!knows(head)) return void client.end('HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n');
      tunnels.push(/^CONNECT (\S+) /.exec(head)?.[1] ?? '');
      const upstream = net.connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        client.pipe(upstream).pipe(client);
      });
      upstream.on('error', () => client.destroy());
    });
  });
}

/** The header of the login; names of headers are written in any case */
function knows(head: string): boolean {
  return /^proxy-authorization: Basic (.*)\r$/im.exec(head)?.[1] === Buffer.from(LOGIN).toString('base64');
}

/** Work with a file of Git LFS, whose object is in the repository of the user; gives its name. */
async function commitLfs({ lab, clone, source }: Bench): Promise<string> {
  const content = 'large';
  const oid = hash('sha256', content);
  const file = path.join(source, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  await lab.commit(clone, { 'a.bin': `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n` }, 'Add a');
  await mustGit(clone, ['push', '--quiet']);
  return oid;
}

test('git and Git LFS reach the upstream through the proxy of the company, with its login and its CA', async () => {
  await using bench = await openBench();
  const { terok, forge, tunnels, configure, caFile, proxyUrl } = bench;
  const oid = await commitLfs(bench);
  const { digest } = await terok.reviews.open('shop');
  const upstreamProxy = { url: proxyUrl, secret: 'corp' };

  await configure({ upstreamCa: caFile });
  await expect(terok.push('shop', { approve: digest })).rejects.toMatchObject({
    context: { said: expect.stringContaining('Could not resolve host') },
  });
  await configure({ upstreamProxy });
  await expect(terok.push('shop')).rejects.toMatchObject({ hint: expect.stringContaining('egress.upstreamCa') });
  await configure({ upstreamProxy, upstreamCa: caFile });
  await terok.push('shop');
  expect((await gitIn(forge.directory('team/shop'), ['rev-parse', '--verify', 'refs/heads/terok/shop'])).code).toBe(0);
  expect([...forge.lfs.keys()]).toEqual([oid]);
  expect(new Set(tunnels)).toEqual(new Set([`${HOST}:443`]));
});

test('a proxy that does not take its login ends the push, and the login is not repeated', async () => {
  await using bench = await openBench();
  const { terok, vault, tunnels, configure, caFile, proxyUrl } = bench;
  await commitLfs(bench);
  const { digest } = await terok.reviews.open('shop');
  await vault.set('corp', new Secret('worker:another-pass-0123'));
  await configure({ upstreamProxy: { url: proxyUrl, secret: 'corp' }, upstreamCa: caFile });
  const failure = await terok.push('shop', { approve: digest }).catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({ hint: expect.stringContaining('egress.upstreamProxy.secret') });
  expect(JSON.stringify(failure)).not.toContain('another-pass');
  expect(tunnels).toEqual([]);
});
