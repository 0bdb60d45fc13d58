import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';
import { createPodmanHost, type PodmanHost } from '../../src/backends/oci/index.ts';
import { resolvePaths, type SeedFile } from '../../src/core/index.ts';
import {
  type ChannelIdentity,
  channelSeeds,
  createChannelIdentity,
  INIT_COMMAND,
  REQUIRED_CAPABILITIES,
} from '../../src/exec-channel/index.ts';

const IMAGE = process.env.TEROK_TEST_IMAGE ?? '';
let host: Promise<PodmanHost> | undefined;
const podmanHost = (): Promise<PodmanHost> => (host ??= createPodmanHost({ env: process.env, runtimeDir: resolvePaths().runtime }));

export interface TestBottle extends AsyncDisposable {
  readonly name: string;
  readonly execSocket: string;
  readonly identity: ChannelIdentity;
  readonly dir: string;
  /** `podman start` is about to run */
  readonly startedAt: number;
  podman(args: readonly string[]): Promise<PodmanResult>;
  /** Kills the stand-in of the gateway and, after `pauseMs`, starts another one */
  restartSplice(pauseMs?: number): Promise<void>;
  pid(): Promise<number>;
}

export interface PodmanResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestBottleOptions {
  readonly capabilities?: readonly string[];
  readonly alterSeeds?: (seeds: readonly SeedFile[]) => readonly SeedFile[];
  readonly podmanArgs?: readonly string[];
  /** Makes a bottle whose image lacks the user `agent` */
  readonly withoutAgent?: boolean;
}

/** Undefined where test bottles can be made, otherwise the reason why not. */
export async function whyNoTestBottle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'the test bottle needs root (it makes a network namespace)';
  const image = await podman(['image', 'exists', IMAGE]).catch((error: unknown) => ({ code: -1, stdout: '', stderr: String(error) }));
  return image.code === 0 ? undefined : `podman has no image \`${IMAGE}\`: ${image.stderr.trim()}`;
}

/** A hardened container with the channel's seeds in a network namespace of its own, as a backend makes it. */
export async function startTestBottle(options: TestBottleOptions = {}): Promise<TestBottle> {
  const name = `exch-${randomBytes(4).toString('hex')}`;
  const dir = await mkdtemp('/tmp/exch-');
  const identity = await createChannelIdentity(dir);
  const execSocket = path.join(dir, 'exec.sock');
  const holder = await startHolder();
  let splice = await startSplice(holder, execSocket);
  const capabilities = options.capabilities ?? REQUIRED_CAPABILITIES;
  const create = ['create', '--pull=never', '--name', name, '--network', `ns:/proc/${holder.pid}/ns/net`, '--cap-drop=all'];
  const hardening = [
    '--security-opt=no-new-privileges',
    ...capabilities.map((capability) => `--cap-add=${capability}`),
    ...(options.podmanArgs ?? []),
  ];
  await mustPodman([...create, ...hardening, IMAGE, ...INIT_COMMAND]);
  const seeds = channelSeeds(identity);
  const root = (await mustPodman(['mount', name])).stdout.trim();
  await mustRun(
    ['tar', '-x', '-p', '--numeric-owner', '-C', root],
    await seedArchive(root, options.alterSeeds?.(seeds) ?? seeds, options.withoutAgent === true),
  );
  await mustPodman(['umount', name]);
  await mustPodman(['init', name]);
  const startedAt = performance.now();
  await mustPodman(['start', name]);
  return {
    name,
    execSocket,
    identity,
    dir,
    startedAt,
    podman,
    pid: async () => Number((await mustPodman(['inspect', '-f', '{{.State.Pid}}', name])).stdout),
    restartSplice: async (pauseMs = 0) => {
      await end(splice);
      await sleep(pauseMs);
      await rm(execSocket, { force: true });
      splice = await startSplice(holder, execSocket);
    },
    [Symbol.asyncDispose]: async () => {
      await podman(['rm', '-f', '-t', '0', name]);
      await end(splice);
      await end(holder);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export async function podman(args: readonly string[]): Promise<PodmanResult> {
  const { launcher, binary, env } = await podmanHost();
  return await runProgram([...launcher, binary, ...args], env);
}

async function mustPodman(args: readonly string[]): Promise<PodmanResult> {
  const result = await podman(args);
  if (result.code !== 0) throw new Error(`podman ${args[0]} ended with ${result.code}: ${result.stderr}`);
  return result;
}

async function mustRun(argv: readonly string[], input?: Buffer): Promise<PodmanResult> {
  const result = await runProgram([...(await podmanHost()).launcher, ...argv], process.env, input);
  if (result.code !== 0) throw new Error(`${argv[0]} ended with ${result.code}: ${result.stderr}`);
  return result;
}

async function runProgram(argv: readonly string[], env: NodeJS.ProcessEnv, input?: Buffer): Promise<PodmanResult> {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], env });
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end(input);
  const closed = once(child, 'exit');
  const [stdout, stderr, [code]] = await Promise.all([buffer(child.stdout), buffer(child.stderr), closed]);
  return { code: code as number | null, stdout: stdout.toString(), stderr: stderr.toString() };
}

async function startHolder(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const own = await readlink('/proc/self/ns/net');
  for (let attempt = 0; attempt < 200; attempt++) {
    const current = await readlink(`/proc/${holder.pid}/ns/net`).catch(() => own);
    if (current !== own) break;
    await sleep(5);
  }
  const setUp = await runProgram(
    ['nsenter', '-t', String(holder.pid), '-n', 'sh', '-c', 'ip link set lo up && ip route add local 198.18.0.0/15 dev lo'],
    process.env,
  );
  if (setUp.code !== 0) throw new Error(`The network namespace could not be set up: ${setUp.stderr}`);
  return holder;
}

async function startSplice(holder: ChildProcess, execSocket: string): Promise<ChildProcess> {
  const program = path.join(import.meta.dirname, 'exec-channel-splice.ts');
  const child = spawn('nsenter', ['-t', String(holder.pid), '-n', process.execPath, program, execSocket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** The seeds as one tar archive. */
async function seedArchive(root: string, seeds: readonly SeedFile[], withoutAgent: boolean): Promise<Buffer> {
  const archive = pack();
  const file = (name: string, content: string | Uint8Array, mode: number, uid: number): void => {
    archive.entry({ name: name.slice(1), mode, uid, gid: uid, uname: '', gname: '' }, Buffer.from(content));
  };
  for (const seed of seeds) file(seed.path, seed.content, seed.mode, seed.owner === 'root' ? 0 : 1000);
  if (withoutAgent) {
    const passwd = (await mustRun(['cat', `${root}/etc/passwd`])).stdout;
    file('/etc/passwd', passwd.replace(/^agent:.*\n/m, ''), 0o644, 0);
  }
  for (const dir of ['home/agent', 'work']) archive.entry({ name: dir, type: 'directory', mode: 0o755, uid: 1000, gid: 1000 });
  archive.finalize();
  return await buffer(archive);
}
