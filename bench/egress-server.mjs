/**
 * The parts of the egress bench as processes of their own: `upstream` (HTTPS), `pipe` (bytes as they are), `tls-pipe` (TLS ended and begun anew), `gateway` (egress) and `relay`, what one would write by hand
 * on `node:http2` and undici without any decision; each prints one JSON line when ready. Plain JavaScript on the
 * built code, because compiling TypeScript at the start would take memory that no gateway takes.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';

const [role, dir] = process.argv.slice(2);
if (role === undefined || dir === undefined) throw new Error('usage: egress-server.mjs upstream|pipe|tls-pipe|gateway|relay DIR');
const read = (file) => readFileSync(`${dir}/${file}`, 'utf8');

if (role === 'upstream') startUpstream();
else if (role === 'pipe') startPipe(JSON.parse(read('config.json')));
else if (role === 'tls-pipe') startTlsPipe(JSON.parse(read('config.json')));
else if (role === 'relay') await startRelay(JSON.parse(read('config.json')));
else await startGateway(JSON.parse(read('config.json')));

function startUpstream() {
  const body = Buffer.alloc(1_024, 'x');
  const options = { allowHTTP1: true, cert: read('server.pem'), key: read('server.key'), keepAliveTimeout: 60_000 };
  const server = http2.createSecureServer(options, (request, response) => {
    if (request.url === '/events') return sendEvents(response);
    if (request.url?.startsWith('/down/')) return sendBytes(response, Number(request.url.slice(6)));
    request.on('data', () => undefined).on('end', () => response.end(body));
  });
  server.on('upgrade', (request, socket) => echoFrames(request, socket));
  server.listen(0, '127.0.0.1', () => ready({ port: server.address().port }));
}

/** Answers each small masked frame with its text. */
function echoFrames(request, socket) {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
  socket.on('error', () => socket.destroy());
  socket.on('data', (frame) => {
    const length = frame[1] & 0x7f;
    const text = frame.subarray(6, 6 + length).map((byte, at) => byte ^ frame[2 + (at % 4)]);
    socket.write(Buffer.concat([Buffer.of(0x81, length), text]));
  });
}

function startPipe(config) {
  serve(
    net.createServer((client) => {
      const upstream = net.connect({ port: config.upstreamPort, host: '127.0.0.1', noDelay: true });
      client.setNoDelay(true).pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    }),
  );
}

/** What Node needs for two TLS connections and nothing else. */
function startTlsPipe(config) {
  const options = { cert: read('leaf.pem'), key: read('server.key'), ALPNProtocols: ['h2', 'http/1.1'] };
  const secureContext = tls.createSecureContext({ ca: read('upstream-ca.pem') });
  serve(
    tls.createServer(options, (client) => {
      const ALPNProtocols = [client.alpnProtocol || 'http/1.1'];
      const upstream = tls.connect({ port: config.upstreamPort, host: '127.0.0.1', servername: config.name, secureContext, ALPNProtocols });
      client.setNoDelay(true);
      upstream.setNoDelay(true);
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
      upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    }),
  );
}

function sendEvents(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let count = 0;
  const timer = setInterval(() => {
    response.write(`data: ${performance.timeOrigin + performance.now()}\n\n`);
    count += 1;
    if (count < 10) return;
    clearInterval(timer);
    response.end();
  }, 50);
}

function sendBytes(response, total) {
  const chunk = Buffer.alloc(64 * 1_024, 'y');
  let left = total;
  response.writeHead(200, { 'content-length': total });
  const push = () => {
    while (left > 0) {
      const part = left >= chunk.length ? chunk : chunk.subarray(0, left);
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', push);
    }
    response.end();
  };
  push();
}

async function startGateway(config) {
  const route = {
    name: 'bench',
    hosts: [config.name],
    ports: [config.upstreamPort],
    mode: process.env.BENCH_MODE ?? 'inspect',
    privateNetworks: ['127.0.0.0/8'],
    ...(process.env.BENCH_INJECT === '1' ? { inject: { secret: 'key', header: 'x-api-key', phantom: 'phantom-token-of-the-bench' } } : {}),
  };
  const { collectWhenIdle } = await import('../dist/collect-when-idle.js');
  collectWhenIdle();
  const { createEgress, openAuditLog } = await import('../dist/egress.js');
  const egress = await createEgress({
    policy: { version: 1, routes: [route] },
    ca: { certificatePem: read('ca.pem'), keyPem: read('ca.key') },
    upstreamCaPem: read('upstream-ca.pem'),
    readSecret: async () => 'the-real-secret-of-the-bench',
    audit: openAuditLog(`${config.dir}/audit.jsonl`),
    resolveName: async () => ['127.0.0.1'],
  });
  const server = net.createServer((socket) => egress.handleTransparent(socket, { name: config.name, port: config.upstreamPort }));
  serve(server);
}

/** No decision, no audit, no credential: the floor of what a process in between costs. */
async function startRelay(config) {
  const { Pool } = await import('undici');
  const pool = new Pool(`https://127.0.0.1:${config.upstreamPort}`, {
    connections: 128,
    connect: { ca: read('upstream-ca.pem'), servername: config.name },
  });
  const server = http2.createSecureServer({ allowHTTP1: true, cert: read('leaf.pem'), key: read('server.key') }, (request, response) => {
    const { method, url: path } = request;
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(':') && name !== 'connection'));
    const body = method === 'GET' ? null : request;
    pool
      .stream({ method: method, path, headers: headers, body, opaque: response }, ({ statusCode, headers: answer }) => {
        const { connection, 'keep-alive': keepAlive, 'transfer-encoding': encoding, ...kept } = answer;
        void [connection, keepAlive, encoding];
        response.writeHead(statusCode, kept);
        return response;
      })
      .catch(() => response.destroy());
  });
  // head and body are two writes; without this the second one waits for the client's acknowledgement
  server.on('connection', (socket) => socket.setNoDelay(true));
  serve(server);
}

function serve(server) {
  server.listen(0, '127.0.0.1', () => ready({ port: server.address().port }));
  process.on('SIGTERM', () => process.exit(0));
}

function ready(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
