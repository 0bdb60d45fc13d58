/*
 * The attacks of `seal-rows.ts` from inside a network namespace, and those that need one.
 */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSealedNetwork, sealedNetworkStatus } from '../../src/sidecars/gateway/index.ts';
import {
  eventually,
  makeTestNetwork,
  removeTestNetworks,
  type TestNetwork,
  whyNoNamespaces,
} from '../integration/sealed-network-harness.ts';
import { ROUTE, sealRows } from './seal-rows.ts';

const run = promisify(execFile);
const reason = whyNoNamespaces();
let network: TestNetwork;

beforeAll(async () => {
  if (reason !== undefined) return;
  network = await makeTestNetwork([ROUTE]);
  await (await openSealedNetwork(network.plan)).ready;
});
beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterAll(removeTestNetworks);

sealRows(() => ({
  probe: (probes) => network.probe(probes),
  idle: async () => (await sealedNetworkStatus(network.plan)).detail?.idleExecConnections,
  reset: /^(ECONNRESET|no answer)$/,
  unreachable: { tcp: /^ENETUNREACH$/, udp: /^ENETUNREACH$/ },
}));

describe('the host', () => {
  it('hears nothing on an abstract unix socket, which belongs to the network namespace', async () => {
    const program = `const net=require('net');const s=net.createConnection('\\0terok-redteam-${process.pid}',()=>{console.log('connected');process.exit()});s.on('error',e=>{console.log(e.code);process.exit()})`;
    const server = spawn(
      process.execPath,
      ['-e', `require('net').createServer(s=>s.end()).listen('\\0terok-redteam-${process.pid}',()=>console.log('up'))`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await new Promise((resolve) => server.stdout.once('data', resolve));
      expect((await run(process.execPath, ['-e', program])).stdout.trim()).toBe('connected');
      expect((await run('nsenter', [`--net=${network.files.namespace}`, '--', process.execPath, '-e', program])).stdout.trim()).toBe(
        'ECONNREFUSED',
      );
    } finally {
      server.kill('SIGKILL');
    }
  });
});

describe('a flood', () => {
  it('of connections to the control listener is cut and the gateway serves on', async () => {
    const program = `const net=require('net');let cut=0;for(let i=0;i<500;i++){const s=net.createConnection(2022,'198.18.0.1');s.on('error',()=>{cut++});}setTimeout(()=>{console.log(cut);process.exit()},1500)`;
    const { stdout } = await run('nsenter', [`--net=${network.files.namespace}`, '--', process.execPath, '-e', program]);
    expect(Number(stdout)).toBeGreaterThanOrEqual(450);
    const [answer] = await network.probe([{ kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' }]);
    expect(answer).toMatch(/^answered 198/);
  });

  it('of broken and invented names leaves the gateway alive and the audit log small', async () => {
    const program = `const s=require('dgram').createSocket('udp4');const q=n=>{const l=Buffer.from(n);return Buffer.concat([Buffer.from([0,1,1,0,0,1,0,0,0,0,0,0,l.length]),l,Buffer.from([0,0,1,0,1])])};
      let i=0;const t=setInterval(()=>{for(let k=0;k<100;k++){s.send(q('n'+i++),53,'198.18.0.1');s.send(require('crypto').randomBytes(40),53,'198.18.0.1')}if(i>=10000){clearInterval(t);setTimeout(()=>process.exit(),300)}},2)`;
    await run('nsenter', [`--net=${network.files.namespace}`, '--', process.execPath, '-e', program]);
    await eventually('the gateway answers again', async () =>
      (await network.probe([{ kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' }]))[0]?.startsWith('answered'),
    );
    expect(network.audit().length).toBeLessThan(400);
  });
});
