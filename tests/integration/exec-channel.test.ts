import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BottleProcess, BufferedExecOptions, ExecResult } from '../../src/core/index.ts';
import { type Channel, openChannel } from '../../src/exec-channel/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { startTestBottle, type TestBottle, whyNoTestBottle } from './exec-channel-bottle.ts';

const reason = await whyNoTestBottle();

describeUnless(reason, 'exec channel', () => {
  let bottle: TestBottle;
  let channel: Channel;
  const sh = (script: string, options?: BufferedExecOptions): Promise<ExecResult> => channel.exec(['sh', '-c', script], options);
  const text = async (script: string, options?: BufferedExecOptions): Promise<string> => (await sh(script, options)).stdout.toString();

  beforeAll(async () => {
    bottle = await startTestBottle();
    channel = openChannel(bottle);
  });
  afterAll(async () => {
    channel?.close();
    await bottle?.[Symbol.asyncDispose]();
  });

  describe('outcomes', () => {
    test.each([0, 1, 5, 126, 127, 128, 254, 255])('exit code %i is exact', async (code) => {
      expect((await sh(`exit ${code}`)).status).toEqual({ kind: 'exited', code });
    });

    test.each(['TERM', 'KILL', 'SEGV', 'USR1', 'PIPE', 'ABRT'])('a death by %s is told from every exit code', async (signal) => {
      expect((await sh(`kill -${signal} $$`)).status).toEqual({ kind: 'signalled', signal });
    });

    test.each([
      ['a name that no directory of PATH has', ['nope'], {}, { kind: 'command', exitCode: 127 }],
      ['a path that does not exist', ['/nope/nope'], {}, { kind: 'command', exitCode: 127 }],
      ['a file without execute permission', ['/etc/passwd'], {}, { kind: 'command', exitCode: 126 }],
      ['a directory', ['/etc'], {}, { kind: 'command', exitCode: 126 }],
      ['a working directory that does not exist', ['true'], { cwd: '/nope' }, { kind: 'cwd', cwd: '/nope' }],
      ['a working directory that is a file', ['true'], { cwd: '/etc/passwd' }, { kind: 'cwd' }],
      ['a working directory that the user may not enter', ['true'], { cwd: '/root' }, { kind: 'cwd' }],
    ] as const)('NOT_FOUND for %s', async (_name, argv, options, context) => {
      await expect(channel.exec(argv, options)).rejects.toMatchObject({ code: 'NOT_FOUND', context });
      await expect(channel.spawn(argv, options)).rejects.toMatchObject({ code: 'NOT_FOUND', context });
    });

    test('a name that only the shell knows is NOT_FOUND', async () => {
      await expect(channel.exec(['cd', '/'])).rejects.toMatchObject({ code: 'NOT_FOUND', context: { kind: 'command', exitCode: 127 } });
    });

    test('a script whose interpreter is missing is NOT_FOUND although the file exists', async () => {
      await sh('printf "#!/nope/interpreter\\n" > /work/script; chmod +x /work/script');
      await expect(channel.exec(['/work/script'])).rejects.toMatchObject({
        code: 'NOT_FOUND',
        context: { kind: 'command', exitCode: 127 },
      });
    });

    test.each([
      ['no program', [], {}],
      ['an empty program name', [''], {}],
      ['a NUL byte in an argument', ['echo', 'a\0b'], {}],
      ['a NUL byte in a variable', ['true'], { env: { A: 'a\0b' } }],
      ['a malformed variable name', ['true'], { env: { 'A;reboot': 'x' } }],
      ['a relative working directory', ['true'], { cwd: 'work' }],
      ['an argument that is longer than Linux takes', ['true', 'x'.repeat(131_072)], {}],
    ] as const)('USAGE for %s', async (_name, argv, options) => {
      await expect(channel.exec(argv, options)).rejects.toMatchObject({ code: 'USAGE' });
    });
  });

  describe('surroundings', () => {
    test('a command of the agent sees its own user, home and a usable PATH, and no trace of the SSH server', async () => {
      const variables = Object.fromEntries(
        (await text('env'))
          .trim()
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      expect(variables).toMatchObject({
        HOME: '/home/agent',
        USER: 'agent',
        LOGNAME: 'agent',
        SHELL: '/bin/bash',
        PATH: expect.stringContaining('/usr/local/bin:') as string,
        PWD: '/home/agent',
      });
      expect(Object.keys(variables).filter((name) => name.startsWith('SSH_') || name === 'MAIL' || name === 'OLDPWD')).toEqual([]);
      expect(await text('id -u; id -g; pwd')).toBe('1000\n1000\n/home/agent\n');
    });

    test('root is root, in his own home', async () => {
      expect(await text('id -u; echo $HOME $USER; pwd', { user: 'root' })).toBe('0\n/root root\n/root\n');
    });

    test('the agent has no capability and cannot gain one', async () => {
      const status = await text('grep -E "^(CapEff|CapPrm|CapAmb|CapInh|NoNewPrivs)" /proc/self/status');
      expect(status.replace(/\t/g, ' ')).toBe(
        'CapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 1\n',
      );
    });

    test.each([
      ['spaces and unicode', '/work/a b ünï'],
      ['a quote', "/work/it's"],
      ['a newline', '/work/two\nlines'],
      ['a leading hyphen', '/work/-P'],
      ['a tilde', '/work/~'],
    ])('a working directory with %s', async (_name, cwd) => {
      expect((await channel.exec(['mkdir', '-p', cwd])).status).toEqual({ kind: 'exited', code: 0 });
      expect((await channel.exec(['pwd'], { cwd })).stdout.toString()).toBe(`${cwd}\n`);
    });

    test('environment values arrive byte for byte', async () => {
      const env = {
        EMPTY: '',
        NEWLINES: '\n\na\nb\n\n',
        QUOTES: `'"\`$(id)\\ \\n !`,
        EQUALS: '=a=b=',
        UNICODE: 'ü漢🎉\u001b[0m\u001e',
        LONG: "'ä".repeat(40_000),
        IFS: 'x',
        OPTIND: 'no number',
        PWD: '/elsewhere',
        UID: '7',
        ENV: '/work/nope',
      };
      for (const user of ['agent', 'root'] as const) {
        const seen = Object.fromEntries(
          (await channel.exec(['cat', '/proc/self/environ'], { env, user })).stdout
            .toString()
            .split('\0')
            .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
        );
        expect(Object.keys(env).filter((name) => seen[name] !== env[name as keyof typeof env])).toEqual([]);
      }
    });

    test('two hundred variables arrive', async () => {
      const env = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`V${index}`, String(index)]));
      expect((await text('env | grep -c "^V[0-9]*="', { env })).trim()).toBe('200');
    });

    test('arguments arrive byte for byte', async () => {
      const args = [
        '',
        ' ',
        '-n',
        '--',
        "'",
        '"',
        '\\',
        '\n',
        '$HOME',
        '`id`',
        '*',
        'ü漢🎉',
        '!!',
        '~',
        '\u001e',
        "'".repeat(100_000),
        'x'.repeat(100_000),
      ];
      const seen = (await channel.exec(['printf', '%s\\0', ...args])).stdout.toString().split('\0').slice(0, -1);
      expect(seen).toEqual(args);
    });

    test('no argument and no value is in a command line or environment of the host', async () => {
      const secret = randomBytes(12).toString('hex');
      const running = await channel.spawn(['sleep', '30', secret].slice(0, 2), { env: { HIDDEN: secret } });
      const inBottle = await text('cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n" | grep -c ^HIDDEN=');
      const bottleProcesses = new Set((await bottlePids(await bottle.pid())).map(String));
      const leaks: string[] = [];
      for (const pid of (await readdir('/proc')).filter(
        (name) => /^\d+$/.test(name) && !bottleProcesses.has(name) && name !== String(process.pid),
      )) {
        const seen = (
          await Promise.all(['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')))
        ).join('\n');
        if (seen.includes(secret)) leaks.push(seen);
      }
      await running.kill('KILL');
      expect(inBottle.trim()).toBe('1');
      expect(leaks).toEqual([]);
    });
  });

  describe('streams', () => {
    test('stdout and stderr are separate', async () => {
      const result = await sh('echo out; echo err >&2; printf out2; printf err2 >&2');
      expect([result.stdout.toString(), result.stderr.toString()]).toEqual(['out\nout2', 'err\nerr2']);
    });

    test('no input means end of file', async () => {
      expect(await text('cat; echo done')).toBe('done\n');
    });

    test('three megabytes of binary go through stdin and come back the same', async () => {
      const input = randomBytes(3_000_000);
      expect((await channel.exec(['cat'], { input })).stdout.equals(input)).toBe(true);
    });

    test('a command that reads only the beginning of its input ends normally', async () => {
      const result = await channel.exec(['head', '-c', '10'], { input: Buffer.alloc(8_000_000, 'a') });
      expect(result).toMatchObject({ status: { kind: 'exited', code: 0 }, stdout: Buffer.from('aaaaaaaaaa') });
    });

    test('an input that never ends does not keep a command that has ended', async () => {
      const input = new PassThrough();
      input.write('one line\n');
      const started = performance.now();
      expect((await channel.exec(['head', '-n', '1'], { input })).stdout.toString()).toBe('one line\n');
      expect(performance.now() - started).toBeLessThan(3_000);
    });

    test('a hundred megabytes in and out at once do not deadlock', async () => {
      const running = await channel.spawn(['cat']);
      const received = countAndHash(running.stdout);
      const sent = createHash('sha256');
      const block = randomBytes(1_000_000);
      for (let count = 0; count < 100; count++) {
        sent.update(block);
        if (!running.stdin.write(block)) await new Promise((resolve) => running.stdin.once('drain', resolve));
      }
      running.stdin.end();
      expect(await received).toEqual({ bytes: 100_000_000, digest: sent.digest('hex') });
      expect(await running.exited).toEqual({ kind: 'exited', code: 0 });
    });

    test('a slow reader slows the writer down, and memory stays flat', async () => {
      const running = await channel.spawn(['sh', '-c', 'head -c 1073741824 /dev/zero; echo end >&2']);
      await sleep(500);
      const before = process.memoryUsage().rss;
      let [bytes, peak] = [0, before];
      for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
        if (bytes < 20_000_000) await sleep(2);
        bytes += chunk.length;
        peak = Math.max(peak, process.memoryUsage.rss());
      }
      expect(bytes).toBe(1_073_741_824);
      expect((peak - before) / 1024 ** 2).toBeLessThan(100);
      expect(await running.exited).toEqual({ kind: 'exited', code: 0 });
    });

    test('a reader that stops holds the writer back', async () => {
      const running = await channel.spawn([
        'sh',
        '-c',
        'i=0; while [ $i -lt 400 ]; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > /work/progress; done',
      ]);
      await sleep(700);
      const written = Number(await text('cat /work/progress'));
      expect(written * 65_536).toBeLessThan(12_000_000);
      expect((await countAndHash(running.stdout)).bytes).toBe(400 * 65_536);
    });

    test('a stderr that nobody reads does not stop stdout', async () => {
      const running = await channel.spawn(['sh', '-c', 'head -c 8000000 /dev/zero >&2; head -c 8000000 /dev/zero']);
      expect((await countAndHash(running.stdout)).bytes).toBe(8_000_000);
      expect((await countAndHash(running.stderr)).bytes).toBe(8_000_000);
    });

    test('more output than was allowed is an error, and the command is killed', async () => {
      await expect(channel.exec(['sh', '-c', 'exec yes terok-flood'], { maxOutputBytes: 1_000_000 })).rejects.toMatchObject({
        code: 'RUNTIME_FAILED',
        context: { kind: 'outputTooLarge', stream: 'stdout' },
      });
      await expect(channel.exec(['sh', '-c', 'yes terok-flood >&2'], { maxOutputBytes: 1_000_000 })).rejects.toMatchObject({
        context: { stream: 'stderr' },
      });
      expect(await text('pgrep -fc "yes [t]erok-flood"')).toBe('0\n');
    });

    test('fifty commands at once keep their own output and exit code', async () => {
      const results = await Promise.all(Array.from({ length: 50 }, (_, index) => sh(`echo ${index}; exit ${index}`)));
      expect(results.map(({ status, stdout }) => [status, stdout.toString()])).toEqual(
        Array.from({ length: 50 }, (_, code) => [{ kind: 'exited', code }, `${code}\n`]),
      );
    });

    test.each([
      ['a silent grandchild', 'sleep 20 & echo main; exit 3'],
      ['a grandchild that goes on writing', '(while :; do echo noise; sleep 0.1; done) & echo main; exit 3'],
    ])('%s that holds stdout keeps the caller at most two seconds', async (_name, script) => {
      const started = performance.now();
      const result = await sh(script);
      expect(result.status).toEqual({ kind: 'exited', code: 3 });
      expect(result.stdout.toString()).toMatch(/main/);
      expect(performance.now() - started).toBeLessThan(2_500);
    });
  });

  describe('kill', () => {
    const tree = (tag: string): string =>
      `trap '' TERM; setsid sleep 7${tag} & (setsid sh -c "sleep 7${tag} & sleep 7${tag}" &) ; (sleep 7${tag} &) ; env -i sleep 7${tag} & sleep 7${tag}`;
    const left = async (tag: string): Promise<string> => (await text(`pgrep -fc "^sleep 7${tag}$"`)).trim();

    test('a timeout ends daemons, other sessions and what ignores TERM, and says timedOut', async () => {
      const started = performance.now();
      expect((await sh(tree('01'), { timeoutMs: 600 })).status).toEqual({ kind: 'timedOut' });
      expect(performance.now() - started).toBeLessThan(4_000);
      expect(await left('01')).toBe('0');
    });

    test('without the kill the same tree stays (positive control)', async () => {
      const running = await channel.spawn(['sh', '-c', tree('02')]);
      await sleep(400);
      expect(Number(await left('02'))).toBeGreaterThanOrEqual(6);
      await running.kill('KILL');
      expect(await left('02')).toBe('0');
      expect(await running.exited).toEqual({ kind: 'signalled', signal: 'KILL' });
    });

    test('an abort ends the tree and says cancelled', async () => {
      const controller = new AbortController();
      const result = sh(tree('03'), { signal: controller.signal });
      await sleep(500);
      controller.abort();
      expect((await result).status).toEqual({ kind: 'cancelled' });
      expect(await left('03')).toBe('0');
    });

    test('an abort before the start is CANCELLED', async () => {
      await expect(sh('true', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
    });

    test('a daemon that is a new process every few milliseconds is caught', async () => {
      const script = 'f() { sleep 0.005; f & }; (sleep 704 &); f & exec sleep 704';
      const result = await sh(script, { timeoutMs: 500 });
      expect(result.status).toEqual({ kind: 'timedOut' });
      expect(await left('04')).toBe('0');
    });

    test('a command that cleaned its environment ends with its time', async () => {
      expect((await channel.exec(['env', '-i', 'sleep', '707'], { timeoutMs: 500 })).status).toEqual({ kind: 'timedOut' });
      expect(await left('07')).toBe('0');
    });

    test('a signal reaches a command whose shell has not yet become it, and so does its time', async () => {
      const slow = `#!/bin/bash\nexec bash -c "\${2/exec \\'sleep/read -t 0.6 <>/tmp/never; exec \\'sleep}"\n`;
      await using other = await startTestBottle();
      const { podman, name } = other;
      await podman(['exec', name, 'sh', '-c', 'mkfifo -m 666 /tmp/never; printf %s "$0" >/tmp/slow; chmod 755 /tmp/slow', slow]);
      await podman(['exec', name, 'sed', '-i', '/^agent:/s#[^:]*$#/tmp/slow#', '/etc/passwd']);
      const own = openChannel(other);
      try {
        const running = await own.spawn(['sleep', '708']);
        await running.kill('TERM');
        expect(await running.exited).toEqual({ kind: 'signalled', signal: 'TERM' });
        expect((await own.exec(['sleep', '708'], { timeoutMs: 300 })).status).toEqual({ kind: 'timedOut' });
        await sleep(800);
        expect((await own.exec(['pgrep', '-fc', '^sleep 708$'])).stdout.toString().trim()).toBe('0');
      } finally {
        own.close();
      }
    });

    test('a signal reaches the command and its descendants, and nothing else', async () => {
      const other = await channel.spawn(['sleep', '705']);
      const running = await channel.spawn([
        'sh',
        '-c',
        `sh -c 'trap "echo child; exit 0" USR1; while :; do sleep 0.05; done' & trap "echo parent; wait; exit 9" USR1; while :; do sleep 0.05; done`,
      ]);
      await sleep(300);
      const output = collect(running.stdout);
      await running.kill('SIGUSR1');
      expect(await running.exited).toEqual({ kind: 'exited', code: 9 });
      expect(
        (await output)
          .split('\n')
          .filter((line) => line !== '')
          .sort(),
      ).toEqual(['child', 'parent']);
      expect(await left('05')).toBe('1');
      await other.kill('KILL');
    });

    test('an unknown signal is USAGE', async () => {
      const running = await channel.spawn(['sleep', '706']);
      await expect(running.kill('NOPE; reboot')).rejects.toMatchObject({ code: 'USAGE' });
      await running.kill('KILL');
    });
  });

  describe('terminal', () => {
    const terminal = { columns: 101, rows: 37 };

    test('is there, with its size, before the first output', async () => {
      expect(await text('test -t 0 && test -t 1 && test -t 2 && stty size', { terminal })).toBe('37 101\r\n');
    });

    test('a resize is seen within a second', async () => {
      const running = await channel.spawn(['bash', '-c', 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'], {
        terminal,
      });
      await waitFor(running.stdout, 'ready');
      const started = performance.now();
      running.resize({ columns: 55, rows: 22 });
      await waitFor(running.stdout, '22 55');
      expect(performance.now() - started).toBeLessThan(1_000);
    });

    test('^C interrupts, and stderr is part of stdout', async () => {
      const running = await channel.spawn(['sh', '-c', 'echo ready >&2; exec sleep 30'], { terminal });
      await waitFor(running.stdout, 'ready');
      running.stdin.write('\u0003');
      expect(await running.exited).toEqual({ kind: 'signalled', signal: 'INT' });
    });

    test('^D and the end of stdin end a reader', async () => {
      for (const end of [(child: BottleProcess) => child.stdin.write('\u0004'), (child: BottleProcess) => child.stdin.end()]) {
        const running = await channel.spawn(['cat'], { terminal });
        end(running);
        running.stdout.resume();
        expect(await running.exited).toEqual({ kind: 'exited', code: 0 });
      }
    });

    test('a reader at the end of its input may close its terminal before it ends', async () => {
      const running = await channel.spawn(['sh', '-c', 'cat; exec <&- >&- 2>&-; sleep 0.5; exit 5'], { terminal });
      running.stdin.end();
      running.stdout.resume();
      expect(await running.exited).toEqual({ kind: 'exited', code: 5 });
    });

    test('exit codes and commands that do not exist are told as without one', async () => {
      expect((await sh('exit 7', { terminal })).status).toEqual({ kind: 'exited', code: 7 });
      await expect(channel.exec(['nope'], { terminal })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect((await channel.exec(['printf', '%s', 'y'.repeat(120_000)], { terminal })).stdout.length).toBe(120_000);
    });

    test('a raw terminal passes every byte', async () => {
      const input = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const running = await channel.spawn(['sh', '-c', 'stty raw -echo; echo ready; head -c 256 | od -An -v -tu1 | tr -s "\\n " " "'], {
        terminal,
      });
      await waitFor(running.stdout, 'ready');
      running.stdin.write(input);
      expect((await collect(running.stdout)).trim()).toBe([...input].join(' '));
    });
  });

  describe('loss', () => {
    test('a lost connection ends what runs as lost, and the next command opens another one', async () => {
      const own = openChannel(bottle);
      const running = await own.spawn(['sleep', '710']);
      await bottle.restartSplice();
      expect(await running.exited).toMatchObject({ kind: 'lost' });
      expect((await own.exec(['true'])).status).toEqual({ kind: 'exited', code: 0 });
      own.close();
      channel.close();
      channel = openChannel(bottle);
    });

    test('the agent who kills the server of his own session loses that session alone', async () => {
      const own = openChannel(bottle);
      const running = await own.spawn(['sh', '-c', 'echo ready; read _; kill -9 $PPID; sleep 5']);
      await waitFor(running.stdout, 'ready');
      running.stdin.end('\n');
      expect(await running.exited).toMatchObject({ kind: 'lost' });
      expect((await own.exec(['true'])).status).toEqual({ kind: 'exited', code: 0 });
      expect((await sh('true')).status).toEqual({ kind: 'exited', code: 0 });
      own.close();
    });

    test('a socket that nobody listens on is CHANNEL_LOST', async () => {
      await expect(openChannel({ ...bottle, execSocket: `${bottle.dir}/nope.sock` }).exec(['true'])).rejects.toMatchObject({
        code: 'CHANNEL_LOST',
      });
    });

    test('a closed channel ends what runs and takes no more', async () => {
      const own = openChannel(bottle);
      const running = await own.spawn(['sleep', '711']);
      own.close();
      expect(await running.exited).toMatchObject({ kind: 'lost' });
      await expect(own.exec(['true'])).rejects.toMatchObject({ code: 'CHANNEL_LOST' });
    });
  });
});

async function countAndHash(stream: Readable): Promise<{ bytes: number; digest: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, digest: hash.digest('hex') };
}

async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Reads until the text was seen, and leaves the stream open. */
async function waitFor(stream: Readable, expected: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let seen = '';
    const onData = (chunk: Buffer): void => {
      seen += chunk.toString();
      if (!seen.includes(expected)) return;
      stream.off('data', onData);
      stream.pause();
      resolve();
    };
    stream.on('data', onData);
    stream.resume();
    stream.once('end', () => reject(new Error(`The stream ended without ${expected}: ${seen}`)));
  });
}

/** Host pids of everything in the bottle's pid namespace. */
async function bottlePids(first: number): Promise<readonly number[]> {
  const namespace = execFileSync('readlink', [`/proc/${first}/ns/pid`]).toString();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => {
    try {
      readFileSync(`/proc/${pid}/stat`);
      return execFileSync('readlink', [`/proc/${pid}/ns/pid`], { stdio: ['ignore', 'pipe', 'ignore'] }).toString() === namespace;
    } catch {
      return false;
    }
  });
}
