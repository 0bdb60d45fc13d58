/** What the host keeps, and what it runs for a bottle. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { isTerokError, ownFile, run } from '../../../core/index.ts';
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';

/** Everything of a bottle that its agent can read and that is not of the image. */
const SEARCH =
  'env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; grep -rsIh "$0" /etc /home /tmp /work /run /var/lib /dev/shm 2>/dev/null';
/** Programs that terok starts on the host. */
const HELPERS = [
  'git',
  'podman',
  'sh',
  'ip',
  'unshare',
  'nsenter',
  'setsid',
  'sleep',
  'tail',
  'node',
  'ssh',
  'cat',
  'true',
  'conmon',
  'crun',
];

export const HOST_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'C6',
    title: 'the real credential lies about',
    claim: 'No real credential is in a bottle, a command line of the host, a log, or the records of a bottle.',
    attack: 'searches environments, command lines and files of the bottle, and everything that terok keeps beside the vault',
    defence: 'the value goes from the vault to the socket; nothing else is given it',
    control: 'the same searches find a marker that was left in each of these places',
    async run(trial, bench) {
      const { secret, phantom } = bench;
      const bottle = await bench.shared();
      const marker = `marker-${phantom.slice(-16)}`;
      await bottle.run(['sh', '-c', 'echo "$0" >/tmp/marker', marker]);
      const search = async (what: string, env: Record<string, string> = {}) =>
        (await bottle.run(['sh', '-c', SEARCH, what], { env, user: 'root' })).stdout;
      trial.control('a marker in the bottle', (await search('marker-nothing', { MARKER: marker })).includes(marker));
      const found = await search(secret.slice(0, 24));
      // the pattern itself is on the command line of the search
      trial.attack('in the bottle', found.includes(secret));
      const child = spawn('sleep', ['60'], { argv0: marker, stdio: 'ignore' });
      trial.control('a marker on a command line of the host', commandLines().includes(marker));
      child.kill();
      trial.attack('on a command line of the host', commandLines().includes(secret));
      const kept = filesBelow(bench.directory).filter((file) => !file.startsWith(path.join(bench.paths.data, 'secrets')));
      trial.control(
        'the phantom in the records of the bottle',
        kept.some((file) => readFileSync(file).includes(phantom)),
      );
      const leaks = kept.filter((file) => readFileSync(file).includes(secret));
      trial.attack('in the records and logs', leaks.length > 0, leaks);
    },
  },
  {
    id: 'C8',
    title: 'a command in a file of the repository',
    claim: 'A file of a repository can name what it wants; nothing in it runs on the host.',
    attack: 'puts commands into the project file, in every field that might run one',
    defence: 'a strict schema without any field for commands; wishes take effect only where the user grants them',
    control: 'the same command, run by a person, leaves its mark',
    async run(trial, bench) {
      const mark = path.join(bench.directory, 'mark-of-a-command');
      const command = `touch ${mark}`;
      const files = {
        'a secret from a command': { secrets: { key: { command } } },
        'a route with a credential command': {
          routes: [{ name: 'x', hosts: ['x.test'], ports: [443], mode: 'inspect', inject: { command } }],
        },
        'a hook': { hooks: { start: command } },
        'a variable': { env: [`X=$(${command})`] },
        'an image': { image: { base: { registry: `$(${command})` } } },
        'a package': { packages: [`x; ${command}`] },
        'an agent': { agent: `x; ${command}` },
      };
      for (const [what, content] of Object.entries(files)) {
        const source = path.join(bench.directory, 'sources', what.replaceAll(' ', '-'));
        await mkdir(source, { recursive: true });
        await writeFile(path.join(source, '.terok.yml'), JSON.stringify(content));
        await tolerateRefusal(async () => await (await bench.bottle({ source })).remove());
        trial.attack(what, existsSync(mark));
      }
      await run(['sh', '-c', command]);
      trial.control('run by a person', existsSync(mark));
    },
  },
  {
    id: 'C9',
    title: 'helpers out of a poisoned PATH',
    claim: 'terok starts no program out of the directory that it is used in.',
    attack: 'a repository holds programs named like those that terok uses, and PATH has relative entries',
    defence: 'helpers are looked for in absolute directories alone',
    control: 'with the same PATH, in the same directory, another program starts the planted one',
    async run(trial, bench) {
      const source = path.join(bench.directory, 'sources', 'poisoned');
      const mark = path.join(bench.directory, 'mark-of-a-helper');
      await mkdir(path.join(source, 'node_modules/.bin'), { recursive: true });
      for (const file of HELPERS.flatMap((name) => [name, `node_modules/.bin/${name}`])) {
        await writeFile(path.join(source, file), `#!/bin/bash\n: >>${mark}\nexit 1\n`);
        await chmod(path.join(source, file), 0o755);
      }
      const PATH = `.:node_modules/.bin::${process.env.PATH}`;
      await run(['env', 'git', '--version'], { cwd: source, env: { PATH } });
      trial.control('another program', existsSync(mark));
      await run(['rm', '-f', mark]);
      const terok = ownFile({ source: '../bin/terok.mjs', built: '../bin/terok.mjs' });
      const { config, data, state, cache, runtime } = bench.paths;
      const directories = {
        TEROK_CONFIG_DIR: config,
        TEROK_DATA_DIR: data,
        TEROK_STATE_DIR: state,
        TEROK_CACHE_DIR: cache,
        TEROK_RUNTIME_DIR: runtime,
      };
      const argv = [
        process.execPath,
        terok,
        'run',
        '.',
        '--backend',
        bench.backend,
        '--json',
        '--allow-unenforced',
        'memory',
        '--allow-unenforced',
        'cpus',
        '--allow-unenforced',
        'pids',
        '--',
        'true',
      ];
      const { exitCode, stderr } = await run(argv, {
        cwd: source,
        env: { ...process.env, ...directories, PATH },
        timeoutMs: 120_000,
        signal: bench.signal,
      });
      if (stderr.toString().includes('is not built'))
        return trial.cannotProve('terok runs from its sources here; the command line is not built');
      trial.control('terok itself works there', exitCode === 0, stderr.toString().slice(-300));
      trial.attack('a planted program ran', existsSync(mark));
    },
  },
  {
    id: 'C10',
    title: 'the SSH agent of the user',
    claim: 'No SSH agent of the host is within reach of a bottle.',
    attack: 'looks for the agent in the environment and at its socket',
    defence: 'nothing of the environment of the host is given on; no path of the host is in the bottle',
    control: 'a program of the host talks to the agent by the same path',
    async run(trial, bench) {
      const socket = path.join(bench.directory, 'agent.sock');
      let heard = 0;
      const agent = createServer((client) => {
        heard += 1;
        client.end();
      });
      await new Promise<void>((resolve, reject) => agent.once('error', reject).listen(socket, resolve));
      bench.defer(() => agent.close());
      const dial = `exec perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un($ARGV[0])) or exit 1' "$0"`;
      await run(['sh', '-c', dial, socket]);
      trial.control('from the host', heard === 1, `${heard} connections`);
      const bottle = await bench.bottle({ env: {} });
      const { stdout } = await bottle.run(['env']);
      trial.attack('in the environment', /^SSH_(?:AUTH_SOCK|AGENT_PID)=/m.test(stdout));
      await bottle.run(['sh', '-c', dial, socket], { user: 'root' });
      trial.attack('at its socket', heard > 1, `${heard - 1} connections`);
      const sockets = await bottle.run(['sh', '-c', 'cat /proc/net/unix; find / -xdev -type s 2>/dev/null'], { user: 'root' });
      trial.attack(
        'another socket of the host',
        /ssh-agent|S\.gpg-agent|agent\.\d+|podman\.sock|docker\.sock|bus$/m.test(sockets.stdout),
        sockets.stdout.slice(0, 200),
      );
      await bottle.remove();
    },
  },
];

function commandLines(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => readIfThere(`/proc/${pid}/cmdline`))
    .join('\n');
}

/** A process may end, or belong to somebody else. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // what cannot be read by this user is no place to leak to it
    return '';
  }
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/** A file that terok does not accept is as good as one that it ignores. */
async function tolerateRefusal(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isTerokError(error)) throw error;
  }
}
