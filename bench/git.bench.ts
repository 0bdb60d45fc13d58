/**
 * The git gate against a plain `git http-backend` behind a minimal server, in one run: a push of 40 MB, a clone of
 * 100 MB, and a push of 10 000 new objects, of which the scan tells its own time. Usage: node bench/git.bench.ts [rounds]; prints JSON.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ensureGate, importSource } from '../src/projects/git/index.ts';
import { handleGateRequest } from '../src/sidecars/git-gate/index.ts';
import { Secret, Vault } from '../src/vault/index.ts';

const BYTES = 40_000_000;
const CLONE_FILES = 100;
const CLONE_FILE_BYTES = 1_000_000;
const OBJECTS = 10_000;
const rounds = Number(process.argv[2] ?? 3);
const root = await mkdtemp(path.join(tmpdir(), 'terok-bench-git-'));
const env = {
  PATH: process.env.PATH ?? '',
  HOME: root,
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@b.test',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@b.test',
};
const servers: http.Server[] = [];
/** `<source> <slug>` → the task's repository */
const repositories = new Map<string, string>();

try {
  process.stdout.write(`${JSON.stringify({ ...(await measure()), clone: await measureClone(), scan: await measureScan() }, null, 2)}\n`);
} finally {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await rm(root, { recursive: true, force: true });
}

async function measure(): Promise<Record<string, unknown>> {
  const source = path.join(root, 'source');
  await mkdir(source);
  git(source, ['init', '--quiet', '--initial-branch=main']);
  git(source, ['commit', '--quiet', '--allow-empty', '--message', 'Begin']);
  const gateSeconds: number[] = [];
  const plainSeconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const branch = `terok/round${round}`;
    await writeFile(path.join(source, 'big.bin'), randomBytes(BYTES));
    const gateUrl = await serveGate(source, `round${round}`);
    const plainUrl = await servePlain(`plain${round}.git`);
    git(source, ['checkout', '--quiet', '-B', 'work', 'main']);
    git(source, ['add', 'big.bin']);
    git(source, ['commit', '--quiet', '--message', 'Big']);
    const both: [number[], string][] = [
      [gateSeconds, gateUrl],
      [plainSeconds, plainUrl],
    ];
    for (const [seconds, url] of round % 2 === 0 ? both : both.reverse()) seconds.push(await timePush(source, url, branch));
    git(source, ['checkout', '--quiet', 'main']);
  }
  const [gate, plain] = [median(gateSeconds), median(plainSeconds)];
  return {
    machine: { cpus: cpus().length, node: process.version, load: loadavg() },
    bytes: BYTES,
    rounds,
    gateSeconds,
    plainSeconds,
    medianGateSeconds: gate,
    medianPlainSeconds: plain,
    ratio: gate / plain,
  };
}

/** Clones of one repository of random files, which no compression makes smaller. */
async function measureClone(): Promise<Record<string, unknown>> {
  const source = path.join(root, 'large');
  await mkdir(source);
  git(source, ['init', '--quiet', '--initial-branch=main']);
  for (let index = 0; index < CLONE_FILES; index += 1) await writeFile(path.join(source, `${index}.bin`), randomBytes(CLONE_FILE_BYTES));
  git(source, ['add', '--all']);
  git(source, ['commit', '--quiet', '--message', 'Large']);
  const plainUrl = await servePlain('large.git');
  git(source, ['push', '--quiet', path.join(root, 'large.git'), 'main']);
  git(path.join(root, 'large.git'), ['symbolic-ref', 'HEAD', 'refs/heads/main']);
  const both: [number[], string][] = [
    [[], await serveGate(source, 'large')],
    [[], plainUrl],
  ];
  for (let round = 0; round < rounds; round += 1) {
    for (const [seconds, url] of round % 2 === 0 ? both : both.toReversed()) {
      const target = path.join(root, 'clone');
      seconds.push(await timeGit(['clone', '--quiet', url, target]));
      await rm(target, { recursive: true });
    }
  }
  const [gateSeconds = [], plainSeconds = []] = both.map(([seconds]) => seconds);
  const [gate, plain] = [median(gateSeconds), median(plainSeconds)];
  return {
    bytes: CLONE_FILES * CLONE_FILE_BYTES,
    gateSeconds,
    plainSeconds,
    medianGateSeconds: gate,
    medianPlainSeconds: plain,
    ratio: gate / plain,
  };
}

/** One push of many small files; the scan writes into its verdict how long it took. */
async function measureScan(): Promise<Record<string, unknown>> {
  const source = path.join(root, 'many');
  await mkdir(source);
  git(source, ['init', '--quiet', '--initial-branch=main']);
  git(source, ['commit', '--quiet', '--allow-empty', '--message', 'Begin']);
  const vaultDir = path.join(root, 'vault');
  for (let index = 0; index < 10; index += 1) await new Vault(vaultDir).set(`secret-${index}`, new Secret(randomBytes(24).toString('hex')));
  const durationsMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const url = await serveGate(source, `scan${round}`, vaultDir);
    git(source, ['checkout', '--quiet', '-B', 'work', 'main']);
    for (let index = 0; index < OBJECTS; index += 1) {
      const dir = path.join(source, `d${index % 100}`);
      await mkdir(dir, { recursive: true });
      await writeFile(path.join(dir, `${index}.ts`), `export const value${index} = '${randomBytes(300).toString('base64')}';\n`);
    }
    git(source, ['add', '--all']);
    git(source, ['commit', '--quiet', '--message', 'Many']);
    await timePush(source, url, `terok/scan${round}`);
    const verdicts = path.join(gateRepository(source, `scan${round}`), 'terok/verdicts');
    const [file = ''] = await readdir(verdicts);
    durationsMs.push((JSON.parse(await readFile(path.join(verdicts, file), 'utf8')) as { durationMs: number }).durationMs);
    git(source, ['checkout', '--quiet', 'main']);
  }
  return { objects: OBJECTS, durationsMs, medianSeconds: median(durationsMs) / 1000 };
}

function gateRepository(source: string, slug: string): string {
  return repositories.get(`${source} ${slug}`) ?? '';
}

async function serveGate(source: string, slug: string, vaultDir?: string): Promise<string> {
  const gate = await ensureGate(path.join(root, 'data'), source);
  const imported = await importSource({ gate, source, slug });
  if (imported.kind !== 'git') throw new Error('the source is no repository');
  repositories.set(`${source} ${slug}`, imported.repository);
  return await listen(
    (request, response) =>
      void handleGateRequest(request, response, { ...imported, slug, ...(vaultDir === undefined ? {} : { vaultDir }) }),
  );
}

/** What a bare repository has to be given at least: no checks, no caps, no hooks. */
async function servePlain(name: string): Promise<string> {
  git(root, ['init', '--quiet', '--bare', name]);
  // As the gate does, so that both write one pack
  git(path.join(root, name), ['config', 'receive.unpackLimit', '1']);
  return await listen((request, response) => {
    const [pathInfo = '', query = ''] = (request.url ?? '').replace('/repo.git', `/${name}`).split('?');
    const cgi = { GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1', REMOTE_USER: 'x', PATH_INFO: pathInfo, QUERY_STRING: query };
    const body = {
      REQUEST_METHOD: request.method ?? '',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    };
    const child = spawn('git', ['http-backend'], { env: { ...env, ...cgi, ...body }, stdio: ['pipe', 'pipe', 'ignore'] });
    request.pipe(child.stdin);
    let header: Buffer | undefined = Buffer.alloc(0);
    child.stdout.on('data', (chunk: Buffer) => {
      if (header === undefined) return void response.write(chunk);
      header = Buffer.concat([header, chunk]);
      const end = header.indexOf('\r\n\r\n');
      if (end === -1) return;
      const type = /content-type: (.*)\r?\n/i.exec(header.subarray(0, end + 2).toString('latin1'))?.[1] ?? '';
      response.writeHead(200, { 'content-type': type });
      response.write(header.subarray(end + 4));
      header = undefined;
    });
    child.stdout.on('end', () => response.end());
  });
}

async function listen(handler: http.RequestListener): Promise<string> {
  const server = http.createServer(handler);
  servers.push(server);
  await promisify((done: (error?: Error) => void) => server.listen(0, '127.0.0.1', () => done()))();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo.git`;
}

async function timePush(source: string, url: string, branch: string): Promise<number> {
  return await timeGit(['-C', source, 'push', '--quiet', url, `HEAD:refs/heads/${branch}`]);
}

async function timeGit(args: readonly string[]): Promise<number> {
  const begin = performance.now();
  const child = spawn('git', args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`git ${args.join(' ')} ended with ${String(code)}`);
  return (performance.now() - begin) / 1000;
}

/** Prepares what is measured. 10 000 loose objects that are each flushed to the disk would take longer than everything else together. */
function git(directory: string, args: readonly string[]): void {
  execFileSync('git', ['-C', directory, '-c', 'core.fsync=none', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
