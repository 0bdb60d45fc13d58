/**
 * Whether programs trust the gateway with nothing but the files and variables that every bottle gets. They run on this machine and are
 * skipped, with the reason, where it lacks them. `TEROK_CLIENTS_PATH` names directories that are searched first.
 */
import { accessSync, constants } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ignoreCodes, run } from '../../src/core/index.ts';
import { combinedBundle, javaTruststore, withTrust } from '../../src/core/resolve/index.ts';
import { NAME, Rig, secureRoute } from './egress-harness.ts';

const MODULES = path.resolve(import.meta.dirname, '../../node_modules');
/** Programs that come as npm packages: their native parts, because no install script puts them in place here */
const OF_NPM = [
  `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}/bin`,
  `@deno/linux-${process.arch}-glibc`,
  '.bin',
].map((dir) => path.join(MODULES, dir));
const SEARCH = [process.env.TEROK_CLIENTS_PATH, ...OF_NPM, process.env.PATH].filter((text) => text !== undefined).join(':');
/** That of the system, which has the packages of the system */
const PYTHON = '/usr/bin/python3';

interface Client {
  readonly family: string;
  readonly program: string;
  /** Exits with 0 where the family is there as well as the program */
  readonly probe?: readonly string[];
  /** Made once, before the client is tried */
  readonly build?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly argv: (url: string, proxy: string) => readonly string[];
}

const FETCH =
  'fetch(process.argv.at(-1)).then((answer) => console.log(answer.status), (error) => { console.error(error); process.exit(1); })';
const JAVA = `
public class Fetch {
  public static void main(String[] args) throws Exception {
    var proxy = java.net.URI.create(args[1]);
    System.setProperty("https.proxyHost", proxy.getHost());
    System.setProperty("https.proxyPort", Integer.toString(proxy.getPort()));
    var connection = (java.net.HttpURLConnection) java.net.URI.create(args[0]).toURL().openConnection();
    System.out.println(connection.getResponseCode());
  }
}`;
const GO = `package main

import ("fmt"; "net/http"; "os")

func main() {
  answer, err := http.Get(os.Args[1])
  if err != nil { fmt.Println(err); os.Exit(1) }
  fmt.Println(answer.StatusCode)
}
`;

const CLIENTS: readonly Client[] = [
  { family: 'curl', program: 'curl', argv: (url) => ['curl', '-sSf', url] },
  { family: 'wget', program: 'wget', argv: (url) => ['wget', '-qO-', url] },
  { family: 'git', program: 'git', argv: (url) => ['git', 'ls-remote', `${url}repository.git`] },
  {
    family: 'openssl',
    program: 'openssl',
    argv: (url, proxy) => [
      'openssl',
      's_client',
      '-proxy',
      new URL(proxy).host,
      '-connect',
      new URL(url).host,
      '-servername',
      NAME,
      '-verify_return_error',
      '-ign_eof',
      '-quiet',
    ],
  },
  { family: 'Node fetch', program: 'node', argv: (url) => [process.execPath, '-e', FETCH, url] },
  {
    family: 'undici',
    program: 'node',
    argv: (url) => [
      process.execPath,
      '--input-type=module',
      '-e',
      `import { EnvHttpProxyAgent, request } from '${import.meta.resolve('undici')}'; console.log((await request(process.argv.at(-1), { dispatcher: new EnvHttpProxyAgent() })).statusCode)`,
      url,
    ],
  },
  {
    family: 'Python urllib',
    program: 'python3',
    argv: (url) => ['python3', '-c', 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).status)', url],
  },
  {
    family: 'Python requests',
    program: 'python3',
    probe: ['python3', '-c', 'import requests'],
    argv: (url) => ['python3', '-c', 'import sys, requests; print(requests.get(sys.argv[1]).status_code)', url],
  },
  {
    family: 'Python httpx',
    program: 'httpx',
    probe: [PYTHON, '-c', 'import httpx'],
    argv: (url) => [PYTHON, '-c', 'import sys, httpx; print(httpx.get(sys.argv[1]).status_code)', url],
  },
  {
    family: 'pip',
    program: 'pip3',
    argv: (url) => [
      'pip3',
      'download',
      '--retries',
      '0',
      '--no-deps',
      '--no-cache-dir',
      '-d',
      '.',
      '-i',
      `${url}simple`,
      'no-such-package',
    ],
  },
  { family: 'npm', program: 'npm', argv: (url) => ['npm', 'ping', '--registry', url, '--fetch-retries', '0', '--cache', './npm-cache'] },
  { family: 'pnpm', program: 'pnpm', argv: (url) => ['pnpm', 'view', 'no-such-package', '--registry', url, '--config.fetch-retries=0'] },
  {
    family: 'cargo',
    program: 'cargo',
    files: {
      'Cargo.toml': '[package]\nname = "probe"\nversion = "0.1.0"\n[dependencies]\nno-such-crate = { version = "1", registry = "probe" }\n',
      'src/lib.rs': '',
    },
    argv: (url) => ['cargo', 'fetch', '--config', `registries.probe.index="sparse+${url}"`, '--config', 'net.retry=0'],
  },
  {
    family: 'Go',
    program: 'go',
    files: { 'main.go': GO },
    build: ['go', 'build', '-o', 'fetch', 'main.go'],
    argv: (url) => ['./fetch', url],
  },
  { family: 'Java', program: 'java', files: { 'Fetch.java': JAVA }, argv: (url, proxy) => ['java', 'Fetch.java', url, proxy] },
  { family: 'Ruby', program: 'ruby', argv: (url) => ['ruby', '-ropen-uri', '-e', 'puts URI.open(ARGV[0]).status[0]', url] },
  {
    family: 'PHP',
    program: 'php',
    argv: (url, proxy) => [
      'php',
      '-r',
      '$proxy = parse_url($argv[2]); $context = stream_context_create(["http" => ["proxy" => "tcp://{$proxy["host"]}:{$proxy["port"]}"]]); exit(file_get_contents($argv[1], false, $context) === false ? 1 : 0);',
      url,
      proxy,
    ],
  },
  {
    family: 'PHP curl',
    program: 'php',
    probe: ['php', '-r', 'exit(function_exists("curl_init") ? 0 : 1);'],
    argv: (url) => ['php', '-r', '$handle = curl_init($argv[1]); exit(curl_exec($handle) === false ? 1 : 0);', url],
  },
  {
    family: 'Deno',
    program: 'deno',
    files: { 'fetch.js': 'console.log((await fetch(Deno.args[0])).status)' },
    argv: (url) => ['deno', 'run', '--allow-all', '--no-remote', 'fetch.js', url],
  },
  {
    family: 'Bun',
    program: 'bun',
    files: { 'fetch.js': 'console.log((await fetch(process.argv.at(-1))).status)' },
    argv: (url) => ['bun', 'fetch.js', url],
  },
  { family: 'gh', program: 'gh', argv: (url) => ['gh', 'api', `${url}user`] },
  {
    family: 'apt',
    program: 'apt-get',
    files: { 'sources.list': '' },
    argv: (url, proxy) => [
      '/usr/lib/apt/apt-helper',
      '-o',
      `Acquire::https::Proxy=${proxy}`,
      '-o',
      'Acquire::Retries=0',
      'download-file',
      `${url}file`,
      './file',
    ],
  },
  { family: '.NET', program: 'dotnet', argv: (url) => ['dotnet', 'nuget', 'search', 'x', '--source', `${url}v3/index.json`] },
];

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.open();
  await rig.start((r) => [secureRoute(r)]);
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

describe('a client that is given nothing but the files and variables of a bottle trusts the gateway', () => {
  for (const client of CLIENTS) {
    const missing = isThere(client.program) ? undefined : `no \`${client.program}\` on this machine`;
    test(
      client.family,
      async (context) => {
        if (missing !== undefined) return context.skip(missing);
        const dir = path.join(rig.dir, client.family.replaceAll(/[^a-zA-Z]/g, '-'));
        await prepare(dir, client.files ?? {});
        const trusting = await bottleEnvironment(dir);
        if (client.probe !== undefined && (await run(client.probe, { env: trusting, cwd: dir })).exitCode !== 0)
          return context.skip(`${client.family} is not installed on this machine`);
        if (client.build !== undefined)
          expect((await run(client.build, { env: trusting, cwd: dir, timeoutMs: BUILD_MS })).exitCode).toBe(0);
        const bare = Object.fromEntries(Object.entries(trusting).filter(([name]) => BASE_NAMES.has(name)));
        expect(await reaches(client, bare, dir), 'without them it must not, or the test shows nothing').toEqual({
          reached: false,
          output: expect.any(String),
        });
        expect(await reaches(client, trusting, dir)).toMatchObject({ reached: true });
      },
      BUILD_MS + 120_000,
    );
  }
});

const BUILD_MS = 300_000;
const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
/** Puts the bundle where a bottle has it, seen by this program alone. */
const WITH_BUNDLE = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';

const BASE_NAMES = new Set([
  'PATH',
  'HOME',
  'LANG',
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'NODE_USE_ENV_PROXY',
  'GOCACHE',
  'GOPATH',
  'GOFLAGS',
  'GH_TOKEN',
  'CARGO_HOME',
  'RUSTUP_HOME',
  'RUSTUP_TOOLCHAIN',
  'GIT_TERMINAL_PROMPT',
  'PYENV_VERSION',
  'PYENV_ROOT',
  'DENO_DIR',
]);

/** Does a request of the client get through TLS to the server behind the gateway? */
async function reaches(
  { argv }: Client,
  env: Record<string, string>,
  cwd: string,
): Promise<{ readonly reached: boolean; readonly output: string }> {
  rig.seen.length = 0;
  const url = `https://${NAME}:${rig.httpsPort}/`;
  const program = argv(url, `http://127.0.0.1:${rig.proxyPort}`);
  const asRoot = process.geteuid?.() === 0 ? [] : ['--map-root-user'];
  const bundle = env.SSL_CERT_FILE;
  const seeded = ['unshare', ...asRoot, '--mount', 'sh', '-c', WITH_BUNDLE, 'sh', bundle ?? '', SYSTEM_BUNDLE];
  const input = `GET / HTTP/1.1\r\nHost: ${NAME}:${rig.httpsPort}\r\nConnection: close\r\n\r\n`;
  const result = await run(bundle === undefined ? program : [...seeded, ...program], { env, cwd, timeoutMs: 60_000, input });
  return { reached: rig.seen.length > 0, output: `${result.stdout.toString('utf8')}${result.stderr.toString('utf8')}`.slice(-2_000) };
}

async function bottleEnvironment(home: string): Promise<Record<string, string>> {
  const system = (await ignoreCodes(['ENOENT'], () => readFile('/etc/ssl/certs/ca-certificates.crt', 'utf8'))) ?? '';
  const bundle = combinedBundle(system, rig.ca.certificatePem);
  const paths = { ca: path.join(rig.dir, 'ca.pem'), bundle: path.join(rig.dir, 'bundle.pem'), truststore: path.join(rig.dir, 'roots.jks') };
  await writeFile(paths.bundle, bundle);
  await writeFile(paths.truststore, javaTruststore(bundle));
  const proxy = `http://127.0.0.1:${rig.proxyPort}`;
  const { CARGO_HOME, RUSTUP_HOME, PYENV_ROOT, HOME = '/root' } = process.env;
  const base = {
    PATH: SEARCH,
    HOME: home,
    LANG: 'C.UTF-8',
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NODE_USE_ENV_PROXY: '1',
    GOCACHE: path.join(rig.dir, 'go-cache'),
    GOPATH: path.join(rig.dir, 'go'),
    GOFLAGS: '-mod=mod',
    GH_TOKEN: 'none',
    GIT_TERMINAL_PROMPT: '0',
    CARGO_HOME: CARGO_HOME ?? path.join(HOME, '.cargo'),
    RUSTUP_HOME: RUSTUP_HOME ?? path.join(HOME, '.rustup'),
    PYENV_ROOT: PYENV_ROOT ?? path.join(HOME, '.pyenv'),
    DENO_DIR: path.join(rig.dir, 'deno'),
  };
  return withTrust(base, paths);
}

async function prepare(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(dir, name)), { recursive: true });
    await writeFile(path.join(dir, name), content);
  }
}

function isThere(program: string): boolean {
  return SEARCH.split(':').some((dir) => {
    try {
      accessSync(path.join(dir, program), constants.X_OK);
      return true;
    } catch {
      // Not in this directory
      return false;
    }
  });
}
