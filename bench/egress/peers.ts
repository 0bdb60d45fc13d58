/** Other programs that read TLS in between, for comparison. Those of npm are installed into a cache directory when they are first needed. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const CACHE = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'terok-bench');
const VERSIONS = { 'http-mitm-proxy': '1.1.0', mockttp: '4.6.5' } as const;

export type PeerName = keyof typeof VERSIONS | 'mitmproxy';
export const PEER_NAMES: readonly PeerName[] = ['http-mitm-proxy', 'mockttp', 'mitmproxy'];

/** The command that runs a peer on a port, or why it cannot run here. */
export function peerCommand(name: PeerName, port: number, dir: string): readonly string[] | { readonly absent: string } {
  return name === 'mitmproxy' ? mitmproxy(port, dir) : ofNpm(name, port, dir);
}

function mitmproxy(port: number, dir: string): readonly string[] | { readonly absent: string } {
  const found = (process.env.PATH ?? '').split(':').some((place) => existsSync(path.join(place, 'mitmdump')));
  if (!found) return { absent: '`mitmdump` is not installed: `apt-get install mitmproxy`' };
  const options = ['ssl_insecure=true', 'stream_large_bodies=1m', 'connection_strategy=lazy', `confdir=${dir}/mitmproxy`];
  return ['mitmdump', '-q', '-p', String(port), ...options.flatMap((option) => ['--set', option])];
}

function ofNpm(name: keyof typeof VERSIONS, port: number, dir: string): readonly string[] | { readonly absent: string } {
  try {
    mkdirSync(CACHE, { recursive: true });
    if (!existsSync(path.join(CACHE, 'node_modules', name)))
      execFileSync('npm', ['install', '--prefix', CACHE, '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${VERSIONS[name]}`], {
        stdio: 'ignore',
        timeout: 300_000,
      });
    const script = path.join(CACHE, 'peer.mjs');
    copyFileSync(path.join(import.meta.dirname, 'peer.mjs'), script);
    return [process.execPath, script, name, String(port), dir];
  } catch (error) {
    return { absent: `\`${name}\` could not be installed: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}` };
  }
}
