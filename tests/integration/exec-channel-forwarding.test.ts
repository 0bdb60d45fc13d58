// What the SSH server of a bottle forwards: connections of the host to the bottle's loopback, and nothing else. The positive control of
// each refusal is a bottle whose server was told to forward everything.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { Client, type Connection, Server as SshServer } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Channel, createChannelIdentity, openChannel } from '../../src/exec-channel/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { temporaryPaths } from '../support/temporary-paths.ts';
import { startTestBottle, type TestBottle, whyNoTestBottle } from './exec-channel-bottle.ts';

const EVERYTHING = `AllowTcpForwarding yes
PermitOpen any
PermitListen any
GatewayPorts yes
AllowStreamLocalForwarding yes
AllowAgentForwarding yes
X11Forwarding yes
PermitTunnel yes
`;
const FORWARDING =
  /^(AllowTcpForwarding|PermitOpen|PermitListen|GatewayPorts|Allow(StreamLocal|Agent)Forwarding|X11Forwarding|PermitTunnel) .*\n/gm;

describeUnless(await whyNoTestBottle(), 'forwarding over the exec channel', () => {
  let bottle: TestBottle;
  let open: TestBottle;
  let channel: Channel;

  beforeAll(async () => {
    bottle = await startTestBottle();
    channel = openChannel(bottle);
    open = await startTestBottle({
      alterSeeds: (seeds) =>
        seeds.map((seed) =>
          seed.path === '/etc/terok/sshd_config' ? { ...seed, content: EVERYTHING + String(seed.content).replace(FORWARDING, '') } : seed,
        ),
    });
  });
  afterAll(async () => {
    channel?.close();
    await bottle?.[Symbol.asyncDispose]();
    await open?.[Symbol.asyncDispose]();
  });

  /** Starts a server in the bottle that answers with what it got, in capitals, once its input ends. */
  async function serve(address: string, port: number): Promise<void> {
    const family = address.includes(':') ? 'AF_INET6' : 'AF_INET';
    const name =
      family === 'AF_INET6'
        ? `pack_sockaddr_in6(${port},inet_pton(AF_INET6,"${address}"))`
        : `sockaddr_in(${port},inet_aton("${address}"))`;
    const script = `use Socket qw(:all); socket(S,${family},SOCK_STREAM,0); bind(S,${name}) or die $!; listen(S,50); $|=1; print "ready\\n"; while(accept(C,S)){ if(!fork){ local $/; my $in=<C>; print C uc $in; exit } close C }`;
    const child = await channel.spawn(['perl', '-e', script]);
    await once(child.stdout, 'data');
  }

  describe('the host reaches the loopback of the bottle', () => {
    test.each([
      ['127.0.0.1', 4001],
      ['0.0.0.0', 4002],
      ['::1', 4003],
    ] as const)('a server on %s', async (address, port) => {
      await serve(address, port);
      const stream = await channel.connect(port);
      stream.end('hello');
      expect(await text(stream)).toBe('HELLO');
    });

    test('16 streams at once carry 4 MiB each, binary and whole', async () => {
      await serve('127.0.0.1', 4004);
      const sent = Buffer.alloc(4 * 1024 * 1024, '0123456789\n');
      const streams = await Promise.all(Array.from({ length: 16 }, () => channel.connect(4004)));
      const received = await Promise.all(
        streams.map((stream) => {
          stream.end(sent);
          return buffer(stream);
        }),
      );
      expect(received.every((answer) => answer.equals(sent))).toBe(true);
    });

    test('a port on which nothing listens is NOT_FOUND', async () => {
      await expect(channel.connect(4999)).rejects.toMatchObject({ code: 'NOT_FOUND', context: { kind: 'port', port: 4999 } });
    });

    test('not the host: its servers on the same port do not answer', async () => {
      const server = createServer((socket) => socket.end('host')).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      try {
        expect(await text(connect(port, '127.0.0.1'))).toBe('host');
        await expect(channel.connect(port)).rejects.toMatchObject({ code: 'NOT_FOUND', context: { kind: 'port' } });
      } finally {
        server.close();
      }
    });
  });

  describe('everything else stays off', () => {
    test('by name, in the configuration that the server uses', async () => {
      const effective = async (where: TestBottle): Promise<Record<string, string>> => {
        const lines = (await where.podman(['exec', where.name, '/usr/sbin/sshd', '-T', '-f', '/etc/terok/sshd_config'])).stdout.split('\n');
        const wanted = lines.filter((line) => new RegExp(FORWARDING.source.replace(' .*\\n', ' '), 'i').test(line));
        return Object.fromEntries(wanted.map((line) => line.split(/ (.*)/, 2) as [string, string]));
      };
      const off = {
        gatewayports: 'no',
        allowstreamlocalforwarding: 'no',
        allowagentforwarding: 'no',
        x11forwarding: 'no',
        permittunnel: 'no',
      };
      expect(await effective(bottle)).toEqual({
        allowtcpforwarding: 'local',
        permitopen: '127.0.0.1:* [::1]:*',
        permitlisten: 'none',
        ...off,
      });
      const control = await effective(open);
      expect(Object.keys(off).filter((name) => control[name] === 'no')).toEqual([]);
    });

    const attempts: readonly (readonly [string, (client: Client) => Promise<string>])[] = [
      ['a listener of the bottle that leads to the host', (client) => ask((done) => client.forwardIn('127.0.0.1', 0, done))],
      ['a unix listener of the bottle', (client) => ask((done) => client.openssh_forwardInStreamLocal('/tmp/listener', done))],
      ['a unix socket of the bottle', (client) => ask((done) => client.openssh_forwardOutStreamLocal('/tmp/server', done))],
      ['an address beside the loopback', (client) => ask((done) => client.forwardOut('127.0.0.1', 0, '127.0.0.2', 4010, done))],
      ['a name', (client) => ask((done) => client.forwardOut('127.0.0.1', 0, 'localhost', 4010, done))],
      ['the agent of the host', (client) => ask((done) => client.exec('test -S "$SSH_AUTH_SOCK"', { agentForward: true } as object, done))],
    ];
    test.each(attempts)('%s', async (_name, attempt) => {
      for (const [where, answer] of [
        [open, 'open'],
        [bottle, 'refused'],
      ] as const) {
        const server =
          'use Socket; unlink "/tmp/server"; for (["AF_INET",pack_sockaddr_in(4010,INADDR_ANY)],["AF_UNIX",pack_sockaddr_un("/tmp/server")]) { socket(my $s,$_->[0] eq "AF_UNIX"?AF_UNIX:AF_INET,SOCK_STREAM,0); bind($s,$_->[1]); listen($s,5); push @s,$s } $|=1; print "ready\\n"; sleep 20';
        const ways = openChannel(where);
        const running = await ways.spawn(['perl', '-e', server]);
        await once(running.stdout, 'data');
        const client = await login(where);
        expect(`${where === open ? 'control' : 'bottle'}: ${await attempt(client)}`).toBe(
          `${where === open ? 'control' : 'bottle'}: ${answer}`,
        );
        client.end();
        await running.kill('KILL');
        ways.close();
      }
    });
  });
});

/** A connection of the host as the agent, with an agent of its own to forward. */
async function login({ execSocket, identity, dir }: TestBottle): Promise<Client> {
  const client = new Client();
  client.connect({
    sock: connect(execSocket),
    username: 'agent',
    privateKey: identity.client.privateKey,
    authHandler: ['publickey'],
    agent: path.join(dir, 'agent.sock'),
    agentForward: true,
  });
  await once(client, 'ready');
  return client;
}

function ask(request: (done: (error?: Error | null) => void) => unknown): Promise<string> {
  return new Promise((resolve) => request((error) => resolve(error === undefined || error === null ? 'open' : 'refused')));
}

describe('a bottle whose SSH server is hostile', () => {
  test('opens no channel to the host that the host did not ask for', async () => {
    await using home = await temporaryPaths();
    const identity = await createChannelIdentity(home.paths.state);
    const answers: Record<string, string> = {};
    const socketFile = path.join(home.root, 'exec.sock');
    const server = createServer((socket) => {
      const hostile = new SshServer({ hostKeys: [identity.host.privateKey] }, (client) => {
        client.on('authentication', (request) => request.accept());
        client.on('ready', () => void attack(client, answers).then(() => client.end()));
        client.on('request', (accept) => accept?.());
        client.on('error', () => undefined);
      });
      hostile.injectSocket(socket);
    }).listen(socketFile);
    await once(server, 'listening');
    const ended = openChannel({ execSocket: socketFile, identity }).connect(80);
    await expect(ended).rejects.toMatchObject({ code: expect.stringMatching(/CHANNEL_LOST|RUNTIME_FAILED/) });
    await vi.waitUntil(() => Object.keys(answers).length === 3, { timeout: 10_000 });
    expect(answers).toEqual({ tcp: 'refused', unix: 'refused', x11: 'refused' });

    // the control: a client that asked for a listener gets the connection
    const client = new Client();
    client.on('tcp connection', (_details, accept) => accept().end());
    client.connect({ sock: connect(socketFile), username: 'agent', privateKey: identity.client.privateKey });
    await once(client, 'ready');
    client.forwardIn('127.0.0.1', 8080, () => undefined);
    await once(client, 'close');
    expect(answers['tcp']).toBe('open');
    server.close();
  });
});

async function attack(client: Connection, answers: Record<string, string>): Promise<void> {
  // time for the client's own request to arrive
  await new Promise((resolve) => setTimeout(resolve, 200));
  answers['tcp'] = await ask((done) => client.forwardOut('127.0.0.1', 8080, '127.0.0.1', 1, done));
  answers['unix'] = await ask((done) => client.openssh_forwardOutStreamLocal('/run/user/socket', done));
  answers['x11'] = await ask((done) => client.x11('127.0.0.1', 6010, done));
}
