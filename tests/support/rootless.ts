// An unprivileged user with subordinate ids, in whose name programs run: the rootless side of the tests. Needs root.
import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureCgroupNamespace } from '../../src/backends/oci/cgroup-namespace.ts';
import { releaseCgroupNamespace } from '../../src/backends/oci/index.ts';
import { readMachine } from '../../src/backends/oci/machine.ts';
import { patient, type RunResult, run, runOrThrow } from '../../src/core/index.ts';
import { delegateGroup } from './delegated-group.ts';

const REPOSITORY = path.resolve(import.meta.dirname, '../..');

export interface RootlessUser extends AsyncDisposable {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  /** The repository and the running Node, at paths that the user may read even where root's own home is closed */
  readonly repository: string;
  readonly node: string;
  /** Runs a program as the user, in a mount namespace without the cgroup2 directory of a hybrid host */
  run(
    argv: readonly string[],
    options?: {
      readonly input?: Uint8Array;
      readonly timeoutMs?: number;
      readonly env?: Readonly<Record<string, string>>;
      readonly hostMounts?: boolean;
      /** `false` leaves the program in the control group of the caller */
      readonly ownGroup?: boolean;
    },
  ): Promise<RunResult>;
}

/** Undefined where rootless users can be made, otherwise the reason why not. */
export async function whyNoRootlessUser(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'making a user needs root';
  const tools = await Promise.all(
    ['useradd', 'newuidmap', 'setpriv', 'podman'].map(async (name) => ({
      name,
      found: (await run(['sh', '-c', `command -v ${name}`])).exitCode === 0,
    })),
  );
  const missing = tools.filter(({ found }) => !found).map(({ name }) => name);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

/** Makes a user; `subordinateIds: false` leaves him without a range. */
export async function createRootlessUser(
  options: { readonly subordinateIds?: boolean; readonly storageDriver?: 'overlay' | 'vfs' } = {},
): Promise<RootlessUser> {
  const name = `trk${randomBytes(4).toString('hex')}`;
  const home = await mkdtemp('/var/tmp/terok-rootless-');
  await runOrThrow(['useradd', '--no-create-home', '--home-dir', home, '--shell', '/bin/bash', name]);
  const uid = Number((await runOrThrow(['id', '-u', name])).stdout);
  if (options.subordinateIds === false) await run(['usermod', '--del-subuids', '1-4294967294', '--del-subgids', '1-4294967294', name]);
  const runtime = path.join(home, 'run');
  const helperDir = path.join(home, 'mounts');
  await mkdir(runtime, { mode: 0o700 });
  // by itself Podman falls back to vfs, which copies the image for every container, where /dev/fuse is closed to users
  const conf = path.join(home, '.config/containers');
  await mkdir(conf, { recursive: true });
  await writeFile(path.join(conf, 'storage.conf'), `[storage]\ndriver = "${options.storageDriver ?? 'overlay'}"\n`);
  await Promise.all([home, runtime, path.dirname(conf), conf].map((dir) => chown(dir, uid, uid)));
  // outside of `home`, which is removed as a whole, and read-only: the repository cannot be lost through its second name
  const repository = await mkdtemp('/var/tmp/terok-repository-');
  // with what is mounted below it, as its packages are in the lab, and without a way back for what happens to them here
  await runOrThrow(['mount', '--rbind', REPOSITORY, repository]);
  await runOrThrow(['mount', '--make-rprivate', repository]);
  await runOrThrow(['mount', '-o', 'remount,bind,ro', repository]);
  const { cgroups, systemd } = await readMachine();
  const group = cgroups === 'v2' && !systemd ? await delegateGroup(name, uid) : undefined;
  const mounts = cgroups === 'hybrid' ? ['nsenter', `--mount=${await ensureCgroupNamespace(helperDir)}`, '--'] : [];
  const env = {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: home,
    USER: name,
    LOGNAME: name,
    XDG_RUNTIME_DIR: runtime,
    LANG: 'C.UTF-8',
  };
  const asUser = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-sys_resource', '--'];
  return {
    name,
    uid,
    home,
    env,
    repository,
    node: process.execPath.replace(`${REPOSITORY}/`, `${repository}/`),
    run: (argv, given = {}) =>
      run([...(given.hostMounts === true ? [] : mounts), ...(given.ownGroup === false ? [] : (group?.enter ?? [])), ...asUser, ...argv], {
        cwd: '/',
        env: { ...env, ...given.env },
        timeoutMs: given.timeoutMs ?? patient(120_000),
        ...(given.input === undefined ? {} : { input: given.input }),
      }),
    [Symbol.asyncDispose]: async () => {
      await removeUser({ name, uid, home, repository, helperDir }, [...mounts, ...(group?.enter ?? []), ...asUser], env);
      await group?.[Symbol.asyncDispose]();
    },
  };
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
  readonly repository: string;
  readonly helperDir: string;
}

async function removeUser(
  { name, uid, home, repository, helperDir }: Account,
  asUser: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  await run([...asUser, 'podman', 'system', 'reset', '--force'], { cwd: '/', env });
  await run(['pkill', '-KILL', '-U', String(uid)]);
  await releaseCgroupNamespace(helperDir);
  await run(['userdel', '--force', name]);
  await runOrThrow(['umount', '-l', repository]);
  await rmdir(repository);
  await rm(home, { recursive: true, force: true });
}

const MAX_IMAGE_BYTES = 4 * 1024 ** 3;

/** Loads an image of root's store into that of the user. */
export async function giveImage(user: RootlessUser, reference: string): Promise<void> {
  const saved = await runOrThrow(['podman', 'save', reference], { maxOutputBytes: MAX_IMAGE_BYTES, timeoutMs: patient(300_000) });
  const loaded = await user.run(['podman', 'load', '--quiet'], { input: saved.stdout, timeoutMs: patient(300_000) });
  if (loaded.exitCode !== 0) throw new Error(`The image could not be given to the user: ${loaded.stderr.toString()}`);
}
