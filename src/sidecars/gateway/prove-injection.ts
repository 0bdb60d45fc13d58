/*
 * Scope: does each credential of a policy reach its server? Asked of the code that serves the bottle, with a server on the loopback of
 * the host that says what it got. Out of scope: whether the real server accepts the credential.
 * Fail-safe direction: a credential that is not seen in its place, or that comes back, fails the start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, Server } from 'node:http';
import { type AddressInfo, createServer, type Server as NetServer } from 'node:net';
import path from 'node:path';
import type { BottleCa, CredentialInjection, EgressPolicy, Route } from '../../core/index.ts';
import { TerokError } from '../../core/index.ts';
import { http } from '../../core/node-http.ts';
import { type AuditLog, createEgress, type Egress, type MatchingRequest, matchingRequest } from '../egress/index.ts';
import { listenUnix } from './control-server.ts';

export interface ProofOptions {
  readonly ca: BottleCa;
  readonly readSecret: (name: string) => Promise<string>;
  /** Directory for the socket that stands for the bottle, only its owner's */
  readonly dir: string;
}

/** Never a name of a server; nobody can have it, so no route can mean it. */
const HOST = 'injection-probe.terok.internal';
const PROBE_MS = 70_000;
/** The requests of a probe are not the bottle's. */
const NO_AUDIT: AuditLog = {
  record: () => 0,
  commit: async () => 0,
  recordLater: () => undefined,
  flush: () => undefined,
  close: () => undefined,
};

interface Echo {
  readonly status: number;
  /** What the server got, as the bottle gets it back */
  readonly text: string;
  /** What the server got */
  readonly seen: string | undefined;
}

/** Throws GATEWAY_FAILED for the first credential that does not arrive. */
export async function proveInjection(policy: EgressPolicy, options: ProofOptions): Promise<void> {
  for (const route of injectingRoutes(policy)) await proveRoute(route, options);
}

type InjectingRoute = Route & { readonly inject: CredentialInjection };

/** One route for each secret and place: others do the same. */
function injectingRoutes({ routes }: EgressPolicy): readonly InjectingRoute[] {
  const distinct = new Map<string, InjectingRoute>();
  for (const { inject, ...route } of routes) {
    const { phantom: _, ...place } = inject ?? { phantom: '' };
    if (inject !== undefined && !distinct.has(JSON.stringify(place))) distinct.set(JSON.stringify(place), { ...route, inject });
  }
  return [...distinct.values()];
}

async function proveRoute(route: InjectingRoute, options: ProofOptions): Promise<void> {
  const { text, status, seen } = await askThrough(route, options);
  const secret = route.inject.secret;
  if (status !== 200 || seen === undefined) throw failed(route, `the gateway answers ${status}: ${refusalOf(text)}`);
  if (seen.includes(route.inject.phantom)) throw failed(route, 'the worthless token goes out in its place');
  const value = await options.readSecret(secret);
  const parts = 'awsSigV4' in route.inject ? [value.split(':')[0] ?? value] : expectedParts(route.inject, value);
  if (!parts.every((part) => seen.includes(part))) throw failed(route, 'the server does not get it');
  if (!('awsSigV4' in route.inject) && text.includes(value)) throw failed(route, 'it comes back into the bottle');
}

function expectedParts(inject: CredentialInjection, value: string): readonly string[] {
  if ('basicUser' in inject) return [Buffer.from(`${inject.basicUser}:${value}`).toString('base64')];
  return [JSON.stringify('queryParameter' in inject ? encodeURIComponent(value) : value).slice(1, -1)];
}

async function askThrough(route: InjectingRoute, { ca, readSecret, dir }: ProofOptions): Promise<Echo> {
  let seen: string | undefined;
  const server = http.createServer((request, response) => {
    seen = JSON.stringify([request.url, request.headers]);
    response.end(seen);
  });
  const socketDir = await mkdtemp(path.join(dir, 'probe-'));
  const egress = await openProbe(route, await listenOnLoopback(server), { ca, readSecret });
  const door = createServer((socket) => egress.gateway.handleTransparent(socket, { name: HOST, port: egress.port }));
  try {
    const socketPath = path.join(socketDir, 's');
    await listenUnix(door, socketPath);
    return { ...(await send(route.inject, egress.request, { socketPath, port: egress.port })), seen };
  } finally {
    await egress.gateway.close();
    await Promise.all([closeServer(server), closeServer(door)]);
    await rm(socketDir, { recursive: true, force: true });
  }
}

interface Probe {
  readonly gateway: Egress;
  readonly port: number;
  readonly request: MatchingRequest;
}

/** The route with another server, and without what ends or is counted. Where no request meets its conditions, without those too. */
async function openProbe(route: InjectingRoute, port: number, { ca, readSecret }: Pick<ProofOptions, 'ca' | 'readSecret'>): Promise<Probe> {
  const { expiresAt: _, bootEnd: __, budget: ___, dataLoss: ____, ...lasting } = route;
  const server = { hosts: [HOST], ports: [port], plainUpstream: true, privateNetworks: ['127.0.0.1/32'] };
  const whole: Route = { ...lasting, ...server };
  const bare: Route = { name: route.name, mode: 'inspect', inject: route.inject, ...server };
  const request = matchingRequest(whole);
  const policy = { version: 1, routes: [request === undefined ? bare : whole] } as const;
  const gateway = await createEgress({ policy, ca, readSecret, audit: NO_AUDIT, resolveName: async () => ['127.0.0.1'] });
  return { gateway, port, request: request ?? { method: 'GET', target: '/', headers: [] } };
}

function send(
  inject: CredentialInjection,
  { method, target, headers: wanted }: MatchingRequest,
  { socketPath, port }: { readonly socketPath: string; readonly port: number },
): Promise<Omit<Echo, 'seen'>> {
  const query =
    'queryParameter' in inject ? `${target.includes('?') ? '&' : '?'}${inject.queryParameter}=${encodeURIComponent(inject.phantom)}` : '';
  const headers = { ...Object.fromEntries(wanted), host: `${HOST}:${port}`, ...phantomHeaders(inject) };
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, agent: false, method, path: `${target}${query}`, headers });
    request.setTimeout(PROBE_MS, () => request.destroy(new Error('the probe got no answer')));
    request.once('error', reject).once('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
    });
    request.end();
  });
}

/** As a program in the bottle would present it. */
function phantomHeaders(inject: CredentialInjection): Readonly<Record<string, string>> {
  if ('header' in inject) return { [inject.header]: `${inject.prefix ?? ''}${inject.phantom}` };
  if ('basicUser' in inject) return { authorization: `Basic ${Buffer.from(`${inject.basicUser}:${inject.phantom}`).toString('base64')}` };
  if ('queryParameter' in inject) return {};
  return {
    authorization: `AWS4-HMAC-SHA256 Credential=${inject.phantom}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00`,
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
  };
}

function failed({ name, inject }: InjectingRoute, why: string): TerokError {
  return new TerokError('GATEWAY_FAILED', `The secret \`${inject.secret}\` is not added to requests of the route \`${name}\`: ${why}.`, {
    context: { secret: inject.secret, route: name },
    hint: `Look at the route with \`terok egress show\`, or store the secret again with \`terok secret set ${inject.secret}\`.`,
  });
}

function refusalOf(text: string): string {
  const found: unknown = /"message":"([^"]{1,300})"/.exec(text)?.[1];
  return typeof found === 'string' ? found : 'no reason';
}

function listenOnLoopback(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function closeServer(server: Server | NetServer): Promise<void> {
  if ('closeAllConnections' in server) server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
