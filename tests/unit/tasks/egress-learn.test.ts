import { expect, test } from 'vitest';
import type { Route } from '../../../src/core/index.ts';
import type { EgressLogEntry } from '../../../src/tasks/egress-api.ts';
import { propose } from '../../../src/tasks/egress-learn.ts';

const denied = (more: Partial<EgressLogEntry>): EgressLogEntry => ({
  sequence: 1,
  time: '2026-01-01T00:00:00.000Z',
  decision: 'deny',
  kind: 'request',
  host: 'api.example.com',
  port: 443,
  reason: 'method-not-allowed',
  ...more,
});
const learn = async (entries: readonly EgressLogEntry[], routes: readonly Route[] = []) =>
  await propose('shop', entries, { policy: { version: 1, routes }, origins: {} });

test('methods and the beginnings of paths that were tried are allowed, and nothing else', async () => {
  const { routes, commands, yaml } = await learn([
    denied({ method: 'POST', path: '/v1/issues/7/comments/9' }),
    denied({ method: 'GET', path: '/v1/issues' }),
    denied({ method: 'GET', path: '/v1/users' }),
  ]);
  expect(routes).toEqual([
    {
      name: 'learned-api.example.com',
      hosts: ['api.example.com'],
      ports: [443],
      mode: 'inspect',
      methods: ['GET', 'POST'],
      paths: ['/v1/issues', '/v1/users'],
    },
  ]);
  expect(commands).toEqual(['terok egress allow shop api.example.com --method GET --method POST --path /v1/issues --path /v1/users']);
  expect(yaml).toContain('egress:\n  routes:\n    - name: learned-api.example.com\n');
});

test('many paths become their common beginning', async () => {
  const entries = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => denied({ method: 'GET', path: `/v1/projects/${name}` }));
  expect((await learn(entries)).routes[0]?.paths).toEqual(['/v1/projects']);
});

test('a name alone is allowed for reading; another port than those of HTTP is joined unread', async () => {
  const { routes } = await learn([
    denied({ kind: 'dns', host: 'files.example.com', port: undefined as never }),
    denied({ kind: 'connection', host: 'db.example.com', port: 5432, reason: 'host-not-allowed' }),
  ]);
  expect(routes).toMatchObject([
    { hosts: ['files.example.com'], ports: [443], mode: 'inspect', methods: ['GET', 'HEAD'] },
    { hosts: ['db.example.com'], ports: [5432], mode: 'passthrough' },
  ]);
});

test('what the policy allows by now, what no rule would allow, and what is no name is left out', async () => {
  const open: Route = { name: 'r', hosts: ['api.example.com'], ports: [443], mode: 'inspect' };
  const { routes } = await learn(
    [
      denied({ method: 'GET', path: '/x' }),
      denied({ kind: 'dns', host: 'printer.local' }),
      denied({ kind: 'dns', host: 'x;reboot.example' }),
      denied({ kind: 'dns', host: '1.0.0.127.in-addr.arpa' }),
      denied({ kind: 'control', host: 'other.example' }),
      denied({ decision: 'allow', host: 'third.example', method: 'GET', path: '/' }),
    ],
    [open],
  );
  expect(routes).toEqual([]);
});

test('what a bottle chose as a path is cut where it is not plain', async () => {
  const { commands } = await learn([denied({ method: 'GET', path: '/v1/$(reboot)/x' }), denied({ method: 'GET', path: '/v1/`id`' })]);
  expect(commands).toEqual(['terok egress allow shop api.example.com --method GET --path /v1']);
});
