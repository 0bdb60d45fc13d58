import { expect } from 'vitest';
import { patient } from '../../../src/core/index.ts';
import type { ConformanceCase } from '../support/case.ts';
import { countMarked, elapsedMs, errorOf, sh, shOutput, uniqueWord, waitUntil } from '../support/in-bottle.ts';

/** Prints each word on its own, hexadecimal, so that no byte is lost on the way. */
const PRINT_WORDS = 'for word in "$@"; do printf %s "$word" | od -An -v -tx1 | tr -d " \\n"; echo; done';

const AWKWARD = [
  'plain',
  '',
  'two words',
  "it's",
  '"double"',
  'back\\slash',
  '$HOME `id` $(id)',
  'line\nbreak\n',
  'tab\tend',
  '-n',
  '--',
  '*?[a]',
  'a=b=c',
  'ü 日本 🫙',
  '\u0001\u007f',
  ' ; & | > < # ',
  '%s %n',
];

const hex = (text: string): string => Buffer.from(text).toString('hex');

export const execCases: readonly ConformanceCase[] = [
  {
    id: 'F01',
    title: 'stdout and stderr are separate and exact',
    run: async ({ bottle }) => {
      const result = await sh(bottle, 'printf out; printf err >&2; printf "\\0\\377" ; printf "\\1\\376" >&2');
      expect(result).toEqual({
        status: { kind: 'exited', code: 0 },
        stdout: Buffer.from('out\0\xff', 'latin1'),
        stderr: Buffer.from('err\x01\xfe', 'latin1'),
      });
    },
  },
  {
    id: 'F02',
    title: 'every exit code comes back as it was',
    run: async ({ bottle }) => {
      const codes = [0, 1, 2, 5, 100, 124, 125, 126, 127, 128, 130, 137, 255];
      const results = await Promise.all(codes.map((code) => sh(bottle, 'exit $0', [String(code)])));
      expect(results.map(({ status }) => status)).toEqual(codes.map((code) => ({ kind: 'exited', code })));
    },
  },
  {
    id: 'F03',
    title: 'death by a signal is told from an exit code',
    run: async ({ bottle }) => {
      for (const signal of ['KILL', 'TERM', 'INT', 'SEGV']) {
        expect((await sh(bottle, 'ulimit -c 0; kill -$0 $$; sleep 5', [signal])).status).toEqual({ kind: 'signalled', signal });
      }
      const running = await bottle.spawn(['sleep', '60']);
      await running.kill('TERM');
      expect(await running.exited).toEqual({ kind: 'signalled', signal: 'TERM' });
    },
  },
  {
    id: 'F04',
    title: 'a command that cannot start is an error that says why',
    run: async ({ bottle, scratch }) => {
      await shOutput(bottle, 'touch "$0/plain"; printf "#!/none/such\\n" > "$0/script"; chmod +x "$0/script"', [scratch]);
      const problem = async (argv: string[], cwd?: string): Promise<unknown> => {
        const { code, context } = await errorOf(bottle.exec(argv, cwd === undefined ? {} : { cwd }));
        return { code, kind: context.kind, exitCode: context.exitCode };
      };
      expect(await problem(['no-such-program'])).toEqual({ code: 'NOT_FOUND', kind: 'command', exitCode: 127 });
      expect(await problem([`${scratch}/absent`])).toEqual({ code: 'NOT_FOUND', kind: 'command', exitCode: 127 });
      expect(await problem([`${scratch}/plain`])).toEqual({ code: 'NOT_FOUND', kind: 'command', exitCode: 126 });
      expect(await problem([scratch])).toEqual({ code: 'NOT_FOUND', kind: 'command', exitCode: 126 });
      expect(await problem([`${scratch}/script`])).toMatchObject({ code: 'NOT_FOUND', kind: 'command' });
      expect(await problem(['true'], `${scratch}/absent`)).toMatchObject({ code: 'NOT_FOUND', kind: 'cwd' });
      const error = await errorOf(bottle.spawn(['no-such-program']));
      expect(error.code).toBe('NOT_FOUND');
    },
  },
  {
    id: 'F05',
    title: 'a command on a stopped or removed bottle fails and starts nothing',
    run: async ({ under }) => {
      const bottle = await under.launch();
      await bottle.stop({ graceMs: 0 });
      expect(['WRONG_STATE', 'NOT_FOUND', 'CHANNEL_LOST', 'RUNTIME_FAILED']).toContain(
        (await errorOf(bottle.exec(['true'], { timeoutMs: patient(5_000) }))).code,
      );
      expect(await bottle.status()).toBe('stopped');
      await under.backend.remove(bottle.id);
      expect(['WRONG_STATE', 'NOT_FOUND', 'CHANNEL_LOST', 'RUNTIME_FAILED']).toContain(
        (await errorOf(bottle.exec(['true'], { timeoutMs: patient(5_000) }))).code,
      );
      expect(await bottle.status()).toBe('missing');
    },
  },
  {
    id: 'F06',
    title: 'a timeout kills the whole tree, also what left the session or ignores signals',
    run: async ({ bottle }) => {
      const word = uniqueWord();
      const script = `trap '' TERM INT HUP
        sh -c 'trap "" TERM; while :; do sleep 1; done' "$0" &
        setsid sh -c 'while :; do sleep 1; done' "$0" </dev/null >/dev/null 2>&1 &
        (setsid sh -c 'while :; do sleep 1; done' "$0" </dev/null >/dev/null 2>&1 &)
        while :; do sleep 1; done`;
      const running = sh(bottle, script, [word], { timeoutMs: patient(3_000) });
      await waitUntil(async () => (await countMarked(bottle, word)) >= 4, 3_000, 'the tree runs');
      const [result, took] = [await running, performance.now()];
      expect(result.status).toEqual({ kind: 'timedOut' });
      await waitUntil(async () => (await countMarked(bottle, word)) === 0, 2_000, 'nothing of the tree is left');
      expect(performance.now() - took).toBeLessThan(patient(2_500));
      expect((await sh(bottle, 'exit 124')).status).toEqual({ kind: 'exited', code: 124 });
    },
  },
  {
    id: 'F07',
    title: 'a caller that gives up leaves nothing running',
    run: async ({ bottle }) => {
      const word = uniqueWord();
      const gaveUp = new AbortController();
      const running = sh(bottle, 'sleep 1000 & sh -c "sleep 1000; :" "$0"; wait', [word], { signal: gaveUp.signal });
      await waitUntil(async () => (await countMarked(bottle, word)) >= 2, 3_000, 'the tree runs');
      gaveUp.abort();
      expect((await running).status).toEqual({ kind: 'cancelled' });
      await waitUntil(async () => (await countMarked(bottle, word)) === 0, 2_000, 'nothing of the tree is left');
      expect((await errorOf(bottle.exec(['true'], { signal: gaveUp.signal }))).code).toBe('CANCELLED');
    },
  },
  {
    id: 'F08',
    title: 'environment values arrive byte for byte',
    run: async ({ bottle, under }) => {
      const values = [...AWKWARD, 'x'.repeat(100_000), '"quoted"', ' spaces '];
      const env = Object.fromEntries(values.map((value, index) => [`VALUE_${index}`, value]));
      const script = 'i=0; while [ $i -lt "$0" ]; do printenv "VALUE_$i" | od -An -v -tx1 | tr -d " \\n"; echo; i=$((i+1)); done';
      const printed = (await shOutput(bottle, script, [String(values.length)], { env })).split('\n');
      expect(printed).toEqual(values.map((value) => `${hex(value)}0a`));
      expect((await sh(bottle, 'printenv VALUE_0')).status).toEqual({ kind: 'exited', code: 1 });
      const other = await under.launch({ env: { OF_THE_BOTTLE: 'a\nb', BOTH: 'bottle' } });
      expect(await shOutput(other, 'printf "%s|%s" "$OF_THE_BOTTLE" "$BOTH"', [], { env: { BOTH: 'command' } })).toBe('a\nb|command');
      await under.backend.remove(other.id);
    },
  },
  {
    id: 'F09',
    title: 'arguments arrive byte for byte, without a shell',
    run: async ({ bottle }) => {
      const words = [...AWKWARD, 'y'.repeat(100_000)];
      expect((await shOutput(bottle, PRINT_WORDS, ['sh', ...words])).split('\n')).toEqual(words.map(hex));
      expect((await bottle.exec(['printf', '%s', '$HOME;`id`'])).stdout.toString()).toBe('$HOME;`id`');
    },
  },
  {
    id: 'F10',
    title: 'the working directory is taken as it is written',
    run: async ({ bottle, scratch }) => {
      for (const name of ['with space', 'ü日', "q'uote", 'new\nline', '-dash', '~']) {
        const dir = `${scratch}/${name}`;
        await shOutput(bottle, 'mkdir "$0"', [dir]);
        expect(hex(await shOutput(bottle, 'printf "%s." "$(pwd -P; echo .)"', [], { cwd: dir }))).toContain(hex(name));
      }
      expect(await shOutput(bottle, 'pwd -P')).toBe(await shOutput(bottle, 'cd "$HOME" && pwd -P'));
    },
  },
  {
    id: 'F11',
    title: 'user, home and groups belong together',
    run: async ({ bottle, under }) => {
      const who = async (user: 'agent' | 'root'): Promise<string[]> =>
        (await shOutput(bottle, 'id -u; echo "$HOME"; echo "$USER"; test -w "$HOME" && echo writable', [], { user })).split('\n');
      const agent = await who('agent');
      expect(agent).toEqual([expect.any(String), expect.stringMatching(/^\/.*\/agent$/), 'agent', 'writable']);
      if (!under.backend.capabilities.rootUser) return;
      expect(agent[0]).toBe('1000');
      expect((await who('root')).slice(0, 3)).toEqual(['0', '/root', 'root']);
      expect(await shOutput(bottle, 'id -G')).toBe('1000');
    },
  },
  {
    id: 'F16',
    title: 'a process in the background goes on after its command ended',
    run: async ({ bottle }) => {
      const word = uniqueWord();
      const result = await sh(bottle, 'setsid sh -c "sleep 600; :" "$0" </dev/null >/dev/null 2>&1 & exit 3', [word]);
      expect(result.status).toEqual({ kind: 'exited', code: 3 });
      await waitUntil(async () => (await countMarked(bottle, word)) > 0, 2_000, 'it runs');
      await shOutput(bottle, 'for f in $(grep -las -e "[t]$0" /proc/[0-9]*/cmdline); do p=${f#/proc/}; kill -9 ${p%/cmdline}; done; :', [
        word.slice(1),
      ]);
    },
  },
  {
    id: 'F17',
    title: 'a grandchild that holds the output does not hold the command',
    run: async ({ bottle }) => {
      let result: Awaited<ReturnType<typeof sh>> | undefined;
      const took = await elapsedMs(async () => {
        result = await sh(bottle, 'sleep 20 & echo done; exit 3');
      });
      expect(result?.status).toEqual({ kind: 'exited', code: 3 });
      expect(result?.stdout.toString()).toBe('done\n');
      expect(took).toBeLessThan(patient(4_000));
    },
  },
];
