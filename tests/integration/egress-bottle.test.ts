/* Rules of the configuration as a real bottle meets them: further CAs, tenants, budgets, names nobody allowed, a gateway that is killed. */
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { patient } from '../../src/core/index.ts';
import { mintBottleCa } from '../../src/core/resolve/index.ts';
import { waitUntil } from '../conformance/support/in-bottle.ts';
import { CliHome, type CliResult } from './cli-process.ts';
import { listen, serverCertificate } from './egress-harness.ts';

const HOST = 'host.terok.internal';
const TASK = 'rules';
/** What the gateway has after `kill -9` until new requests succeed */
const RECOVERY_MS = 2_000;

let home: CliHome;
let unusable: string | undefined;
let repository = '';
let plainPort = 0;
let securePort = 0;
const answer: http.RequestListener = (request, response) => response.end(`served ${request.url}\n`);
const servers: http.Server[] = [];

beforeAll(async () => {
  home = new CliHome();
  unusable = await home.whyNoPodman();
  if (unusable !== undefined) return;
  const ca = await mintBottleCa('company');
  writeFileSync(path.join(home.root, 'company.pem'), ca.certificatePem);
  servers.push(http.createServer(answer), https.createServer(await serverCertificate(ca, HOST), answer));
  [plainPort = 0, securePort = 0] = await Promise.all(servers.map(listen));
  configure('');
  expect((await home.run(['image', 'build'])).status).toBe(0);
  repository = home.repository('rules');
}, patient(180_000));

beforeEach(({ skip }) => {
  if (unusable !== undefined) skip(unusable);
});

afterAll(async () => {
  await home.run(['rm', '--force', TASK]);
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  home.remove();
});

function configure(more: string): void {
  const common = `hosts: [${HOST}], mode: inspect, privateNetworks: [127.0.0.1/32]`;
  const routes = [
    `    - { name: pinned, ports: [${plainPort}], ${common}, tenants: { style: github, allow: [acme/shop] }, budget: { requests: 4 } }`,
    `    - { name: secure, ports: [${securePort}], ${common} }`,
  ];
  writeFileSync(path.join(home.configDir, 'config.yml'), `egress:\n${more}  routes:\n${routes.join('\n')}\n`);
}

/** A bottle of its own that stays; its configuration is that of its start. */
async function restart(): Promise<void> {
  await home.run(['rm', '--force', TASK]);
  expect(await home.run(['run', repository, '--name', TASK, '--keep', '--quiet', '--', 'true'])).toMatchObject({ status: 0 });
}

const bottle = async (script: string): Promise<CliResult> => await home.run(['exec', TASK, '--', 'sh', '-c', script]);
const curl = async (url: string): Promise<string> => (await bottle(`curl -sSi --max-time 20 ${url}`)).stdout;

test('a server with a certificate of the company is reached where the configuration names its CA, and not otherwise', async () => {
  await restart();
  expect(await curl(`https://${HOST}:${securePort}/`)).toContain('x-terok-refused: upstream-untrusted');
  configure(`  upstreamCa: ${path.join(home.root, 'company.pem')}\n`);
  await restart();
  expect(await curl(`https://${HOST}:${securePort}/x`)).toContain('served /x');
});

test('another tenant is refused, and a budget ends; a gateway that is killed gives nothing of it back', async () => {
  await restart();
  const shop = async (): Promise<string> => await curl(`http://${HOST}:${plainPort}/acme/shop/a`);
  expect(await curl(`http://${HOST}:${plainPort}/acme/other/a`)).toContain('x-terok-refused: tenant-not-allowed');
  for (let count = 0; count < 2; count += 1) expect(await shop()).toContain('served /acme/shop/a');
  process.kill(gatewayPid(), 'SIGKILL');
  await waitUntil(async () => (await bottle('true')).status === 0, 20_000, 'the channel');
  for (let count = 0; count < 2; count += 1) expect(await shop()).toContain('served /acme/shop/a');
  expect(await shop()).toContain('x-terok-refused: budget-spent');
});

test('of a name that was not allowed, `learn` proposes reading it', async () => {
  await restart();
  expect((await bottle('getent hosts api.unknown.example')).status).toBe(2);
  const { stdout } = await home.run(['egress', 'learn', TASK, '--json']);
  expect(JSON.parse(stdout)).toMatchObject({
    routes: [{ hosts: ['api.unknown.example'], ports: [443], mode: 'inspect', methods: ['GET', 'HEAD'] }],
    commands: [expect.stringContaining(`terok egress allow ${TASK} api.unknown.example`)],
  });
});

// A machine that is busy with something else is tried again
test('new requests succeed soon after the gateway was killed', { retry: 2 }, async () => {
  configure(`  upstreamCa: ${path.join(home.root, 'company.pem')}\n`);
  await restart();
  const loop = `while :; do curl -sS -o /dev/null --max-time 2 https://${HOST}:${securePort}/ 2>/dev/null && date +%s%3N >>/tmp/ok; sleep 0.02; done`;
  await bottle(`setsid sh -c '${loop}' >/dev/null 2>&1 & true`);
  const times = async (): Promise<number[]> => (await bottle('cat /tmp/ok 2>/dev/null')).stdout.split('\n').filter(Boolean).map(Number);
  await waitUntil(async () => (await times()).length > 5, 20_000, 'requests that succeed');
  const killedAt = Date.now();
  process.kill(gatewayPid(), 'SIGKILL');
  let after: number | undefined;
  await waitUntil(
    async () => {
      after = (await times()).find((time) => time > killedAt + 5);
      return after !== undefined;
    },
    20_000,
    'a request that succeeds after the kill',
  );
  const tookMs = (after ?? Number.POSITIVE_INFINITY) - killedAt;
  console.log(`the gateway answered again ${tookMs} ms after kill -9`);
  expect(tookMs).toBeLessThan(patient(RECOVERY_MS));
});

function gatewayPid(): number {
  const record = path.join(home.root, 'st/bottles', TASK, 'network/gateway-process.json');
  return (JSON.parse(readFileSync(record, 'utf8')) as { readonly pid: number }).pid;
}
