/** An SSH server on loopback that serves the repositories of a directory to one key, as a forge does. */
import { spawn } from 'node:child_process';
import { timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import ssh2 from 'ssh2';
import { createSshKey, type SshKey } from '../../src/core/index.ts';

export class SshForge implements AsyncDisposable {
  readonly #server: ssh2.Server;
  readonly #root: string;
  readonly hostKey: SshKey;
  /** `ssh-ed25519 AAAA…` of the key that may come in */
  allowed: string;

  private constructor(root: string, allowed: string, hostKey: SshKey) {
    this.#root = root;
    this.allowed = allowed;
    this.hostKey = hostKey;
    this.#server = new ssh2.Server({ hostKeys: [hostKey.privateKey] }, (client) => this.#serve(client));
  }

  static async start(root: string, allowed: string, port = 0, hostKey: SshKey = createSshKey('forge')): Promise<SshForge> {
    const forge = new SshForge(root, allowed, hostKey);
    await new Promise<void>((resolve) => forge.#server.listen(port, '127.0.0.1', resolve));
    return forge;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  remote(name: string): string {
    return `ssh://git@127.0.0.1:${this.port}/${name}.git`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(client: ssh2.Connection): void {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      const given = context.method === 'publickey' ? context.key.data : Buffer.alloc(0);
      const known = Buffer.from(this.allowed.split(' ')[1] ?? '', 'base64');
      if (context.method === 'publickey' && given.length === known.length && timingSafeEqual(given, known)) context.accept();
      else context.reject(['publickey']);
    });
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const [, service = '', name = ''] = /^(git-upload-pack|git-receive-pack) '\/([\w./-]+)'$/.exec(command) ?? [];
        const channel = acceptExec();
        const child = spawn('git', [service.replace(/^git-/, ''), path.join(this.#root, name)], { stdio: ['pipe', 'pipe', 'pipe'] });
        child.stdin.on('error', () => undefined);
        channel.pipe(child.stdin);
        child.stdout.pipe(channel, { end: false });
        child.stderr.pipe(channel.stderr, { end: false });
        child.on('close', (code) => {
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
  }
}
