/** An HTTPS upstream behind the proxy of a company, with a certificate of its CA. */
import { hash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { mintBottleCa } from '../../src/core/resolve/index.ts';
import { Secret } from '../../src/vault/index.ts';
import { COMPANY_PROXIES } from '../support/company-proxies.ts';
import { listen, serverCertificate } from './egress-harness.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';

/** A name that this machine does not know */
const HOST = 'git.test.example';
const LOGIN = 'worker:a "pass" 100%';

interface Bench extends ForgeProject {
  readonly clone: string;
  /** What the proxy was asked for by who knew its login */
  readonly tunnels: string[];
  /** What it is to be asked for */
  readonly target: string;
  /** What the configuration says about the way out */
  configure(egress: object): Promise<void>;
  readonly caFile: string;
  readonly proxyUrl: string;
}

type ProxyKind = keyof typeof COMPANY_PROXIES;

async function openBench(kind: ProxyKind): Promise<Bench> {
  const bench = await openForgeProject();
  const { lab, forge, imported, vaultDir, source, terok, paths, vault } = bench;
  const ca = await mintBottleCa('company');
  const secure = tls.createServer(await serverCertificate(ca, HOST), (socket) => forge.accept(socket));
  const securePort = await listen(secure);
  const tunnels: string[] = [];
  const lead = () => ({ host: '127.0.0.1', port: securePort });
  const proxy = COMPANY_PROXIES[kind]({ login: LOGIN, asked: tunnels, lead });
  const proxyUrl = `${kind}://127.0.0.1:${await listen(proxy)}`;
  forge.lfsStore = `https://${HOST}`;
  const caFile = path.join(lab.root, 'company.pem');
  await writeFile(caFile, ca.certificatePem);
  await vault.set('corp', new Secret(LOGIN));
  const forgeApi = { kind: 'gitea', api: `https://${HOST}/api/v1`, secret: 'forge' } as const;
  await terok.git.setUpstream(source, { url: `https://${HOST}/team/shop.git`, secret: 'forge', forge: forgeApi });
  const lfs = { directory: path.join(lab.root, 'lfs'), offered: path.join(source, '.git/lfs/objects') };
  return {
    ...bench,
    clone: await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir, lfs }), 'shop'),
    tunnels,
    target: kind === 'http' ? `${HOST}:443` : HOST,
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

describe.each(['http', 'socks5'] as const)('the way through a proxy of the kind %s', (kind) => {
  test('git, Git LFS and requests to the forge take it, with its login and the CA of the company', async () => {
    await using bench = await openBench(kind);
    const { terok, forge, tunnels, target, configure, caFile, proxyUrl } = bench;
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
    expect(await terok.push('shop')).toMatchObject({ pullRequest: { created: true } });
    expect(forge.pulls.get('team/shop')).toMatchObject([{ head: 'terok/shop', base: 'main' }]);
    expect((await gitIn(forge.directory('team/shop'), ['rev-parse', '--verify', 'refs/heads/terok/shop'])).code).toBe(0);
    expect([...forge.lfs.keys()]).toEqual([oid]);
    expect(new Set(tunnels)).toEqual(new Set([target]));
  });

  test('a proxy that does not take its login ends the push, and the login is not repeated', async () => {
    await using bench = await openBench(kind);
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
});
