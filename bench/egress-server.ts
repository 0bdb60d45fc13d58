/** The two ends of the egress bench as processes of their own: `upstream` (HTTPS) and `gateway` (egress); prints one JSON line when ready. */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { createEgress, openAuditLog } from '../src/sidecars/egress/index.ts';

interface BenchConfig {
  readonly dir: string;
  readonly name: string;
  readonly upstreamPort: number;
}

const [role, dir] = process.argv.slice(2);
if (role === undefined || dir === undefined) throw new Error('usage: egress-server.ts upstream|gateway DIR');
const read = (file: string): string => readFileSync(`${dir}/${file}`, 'utf8');

if (role === 'upstream') startUpstream();
else await startGateway(JSON.parse(read('config.json')) as BenchConfig);

function startUpstream(): void {
  const body = Buffer.alloc(1_024, 'x');
  const server = https.createServer({ cert: read('server.pem'), key: read('server.key') }, (request, response) => {
    if (request.url === '/events') return sendEvents(response);
    if (request.url?.startsWith('/down/')) return sendBytes(response, Number(request.url.slice(6)));
    request.on('data', () => undefined).on('end', () => response.end(body));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => ready({ port: (server.address() as net.AddressInfo).port }));
}

function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let count = 0;
  const timer = setInterval(() => {
    response.write(`data: ${Date.now()}\n\n`);
    count += 1;
    if (count < 10) return;
    clearInterval(timer);
    response.end();
  }, 50);
}

function sendBytes(response: ServerResponse, total: number): void {
  const chunk = Buffer.alloc(64 * 1_024, 'y');
  let left = total;
  response.writeHead(200, { 'content-length': total });
  const push = (): void => {
    while (left > 0) {
      const part = left >= chunk.length ? chunk : chunk.subarray(0, left);
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', push);
    }
    response.end();
  };
  push();
}

async function startGateway(config: BenchConfig): Promise<void> {
  const route = {
    name: 'bench',
    hosts: [config.name],
    ports: [config.upstreamPort],
    mode: 'inspect' as const,
    privateNetworks: ['127.0.0.0/8'],
    ...(process.env.BENCH_INJECT === '1' ? { inject: { secret: 'key', header: 'x-api-key', phantom: 'phantom-token-of-the-bench' } } : {}),
  };
  const egress = await createEgress({
    policy: { version: 1, routes: [route] },
    ca: { certificatePem: read('ca.pem'), keyPem: read('ca.key') },
    upstreamCaPem: read('upstream-ca.pem'),
    readSecret: async () => 'the-real-secret-of-the-bench',
    audit: openAuditLog(`${config.dir}/audit.jsonl`),
    resolveName: async () => ['127.0.0.1'],
  });
  const server = net.createServer((socket) => egress.handleTransparent(socket, { name: config.name, port: config.upstreamPort }));
  server.listen(0, '127.0.0.1', () =>
    ready({ port: (server.address() as net.AddressInfo).port, rssMiB: process.memoryUsage().rss / 2 ** 20 }),
  );
  process.on('SIGTERM', () => process.exit(0));
  process.on('SIGUSR2', () =>
    ready({ rssMiB: process.memoryUsage().rss / 2 ** 20, cpuMicros: process.cpuUsage().user + process.cpuUsage().system }),
  );
}

function ready(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
