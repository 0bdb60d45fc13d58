import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemCodeOf } from '../../src/core/index.ts';
import { freePort } from '../conformance/support/host.ts';
import { leftovers } from '../support/leftovers.ts';
import { sampleRepository, type TerokCli, terokCli, waitFor } from '../support/terok-cli.ts';

interface Listed {
  readonly slug: string;
  readonly ports: readonly { readonly address: string; readonly hostPort: number; readonly port: number }[];
}

let terok: TerokCli;
let repository: string;

beforeEach(async () => {
  terok = await terokCli();
  repository = await sampleRepository(terok.root);
});

afterEach(async () => {
  await terok[Symbol.asyncDispose]();
});

/** Starts a server in the bottle that greets with a word; on `localhost`, as development servers do. */
async function greet(slug: string, port: number, word: string): Promise<ChildProcess> {
  const program = `use Socket; socket(S,AF_INET,SOCK_STREAM,0); setsockopt(S,SOL_SOCKET,SO_REUSEADDR,1); bind(S,pack_sockaddr_in(${port},INADDR_LOOPBACK)) or die $!; listen(S,5); $|=1; print "ready\\n"; while(accept(C,S)){print C "${word}";close C}`;
  const server = terok.start(['exec', slug, '--', 'perl', '-e', program]);
  await once(server.stdout as NonNullable<typeof server.stdout>, 'data');
  return server;
}

/** What who connects gets; `ECONNREFUSED` where nobody listens, `ECONNRESET` where the port leads nowhere. */
async function answerOf(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  return await new Promise<string>((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    socket.once('error', (error) => resolve(systemCodeOf(error) ?? error.message));
  }).finally(() => socket.destroy());
}

async function gatewayPid(slug: string): Promise<number> {
  const file = path.join(terok.paths.state, 'bottles', slug, 'network/gateway-process.json');
  return (JSON.parse(await readFile(file, 'utf8')) as { pid: number }).pid;
}

async function configure(text: string): Promise<void> {
  await mkdir(terok.paths.config, { recursive: true, mode: 0o700 });
  await writeFile(path.join(terok.paths.config, 'config.yml'), text);
}

const task = (...options: string[]): string[] => ['run', repository, ...options, '--', 'true'];

describe('published ports of a task', () => {
  it('lead to the bottle through the death of its gateway and a stop, and end with it', async () => {
    const [hostPort, other] = [await freePort(), await freePort()];
    const published = await terok.run(task('--name', 'web', '--keep', '--publish', `${hostPort}:8000`, '--publish', String(other)));
    expect(published.code).toBe(0);
    const { ports } = await terok.json<Listed>(['status', 'web']);
    const [{ address } = { address: '' }] = ports;
    expect(address).toMatch(/^127\.77\./);
    expect(ports).toEqual([
      { address, hostPort, port: 8000 },
      { address, hostPort: other, port: other },
    ]);
    expect(published.stderr).toContain(
      `Port 8000 of the bottle is at ${address}:${hostPort}.\nPort ${other} of the bottle is at ${address}:${other}.`,
    );
    expect((await terok.run(['status', 'web'])).stdout).toContain(`8000 at ${address}:${hostPort}`);
    expect((await terok.run(['list'])).stdout).toMatch(new RegExp(`PORTS.*\n.*${address}:${hostPort}, ${address}:${other}`));

    expect(await answerOf(address, hostPort)).toBe('ECONNRESET');
    await greet('web', 8000, 'first');
    await greet('web', other, 'other');
    expect([await answerOf(address, hostPort), await answerOf(address, other)]).toEqual(['first', 'other']);
    expect(await answerOf('127.0.0.1', hostPort)).toBe('ECONNREFUSED');

    const killed = await gatewayPid('web');
    process.kill(killed, 'SIGKILL');
    await waitFor('the gateway to come back', 10_000, async () => (await answerOf(address, hostPort)) === 'first');
    expect(await gatewayPid('web')).not.toBe(killed);

    expect(await terok.run(['stop', 'web'])).toMatchObject({ code: 0 });
    expect(await answerOf(address, hostPort)).toBe('ECONNRESET');
    expect(await terok.run(['start', 'web'])).toMatchObject({ code: 0 });
    await greet('web', 8000, 'second');
    expect(await answerOf(address, hostPort)).toBe('second');

    expect(await terok.run(['rm', '--force', 'web'])).toMatchObject({ code: 0 });
    expect(await answerOf(address, hostPort)).toBe('ECONNREFUSED');
    // the gate keeps what a task pushed
    expect((await leftovers(terok)).filter((left) => !left.endsWith('.git'))).toEqual([]);
  });

  it('end with a bottle that is not kept', async () => {
    expect(await terok.run(task('--name', 'short', '--publish', String(await freePort())))).toMatchObject({ code: 0 });
    expect(await terok.json<Listed>(['status', 'short'])).toMatchObject({ ports: [] });
  });

  it('one that another program has is refused, with who, where and what to do', async () => {
    const server = createServer().listen(0, '0.0.0.0');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const result = await terok.run(task('--publish', `${port}:80`));
      expect(result.code).toBe(125);
      expect(result.stderr).toMatch(
        new RegExp(`Port 80 of the bottle cannot be published at 127\\.77\\.\\d+\\.\\d+:${port}: another program listens there\\.`),
      );
      expect(result.stderr).toContain('hint: End it, or choose another port: `--publish HOSTPORT:80`');
      expect(await leftovers(terok)).toEqual([]);
    } finally {
      server.close();
    }
  });

  it.each([['0'], ['65536'], ['80:70000'], ['0.0.0.0:80:80'], ['web']])('`--publish %s` is refused', async (text) => {
    const result = await terok.run(task('--publish', text));
    expect(result).toMatchObject({ code: 120, stderr: expect.stringContaining(`got \`${text}\``) });
  });

  it('two ports for one of the host are refused', async () => {
    expect(await terok.run(task('--publish', '8080:1', '--publish', '8080:2'))).toMatchObject({
      code: 120,
      stderr: expect.stringContaining('both ask for port 8080 here'),
    });
  });

  it('come from the configuration as well; a repository may only ask', async () => {
    const [hostPort, port] = [await freePort(), await freePort()];
    await configure(`ports: ["${hostPort}:8000", ${port}]\n`);
    await writeFile(path.join(repository, '.terok.yml'), 'ports: [8000, 9229]\n');
    const run = await terok.run(task('--name', 'wish', '--keep'));
    expect(run.stderr).toContain('The repository asks for port 9229 on this machine, which is not granted: `terok run --publish 9229`');
    expect(run.stderr).not.toContain('asks for port 8000');
    const { ports } = await terok.json<Listed>(['status', 'wish']);
    expect(ports.map(({ hostPort: here, port: inside }) => [here, inside])).toEqual([
      [hostPort, 8000],
      [port, port],
    ]);
  });

  it('a wrong one in the configuration is named with its line', async () => {
    await configure('agent: claude\nports: [80, "99999:80"]\n');
    expect(await terok.run(task())).toMatchObject({
      code: 120,
      stderr: expect.stringMatching(/line 2, column 13: `ports\.1`: expected a port from 1 to 65535/),
    });
  });
});
