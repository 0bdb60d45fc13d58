import { expect, test } from 'vitest';
import type { Route } from '../../../src/core/index.ts';
import { decideConnection } from '../../../src/sidecars/egress/decide.ts';
import { tlsNameRefusal } from '../../../src/sidecars/egress/tls-name.ts';

const target = { name: 'api.example.com', port: 443 };
const judge = (route: Partial<Route>, serverName: string | undefined, isEncrypted = false): string => {
  const routes: Route[] = [{ name: 'r', hosts: [target.name], ports: [443], mode: 'passthrough', ...route }];
  return (
    tlsNameRefusal({ kind: 'hello', serverName, isEncrypted }, target, decideConnection({ version: 1, routes }, target))?.reason ?? 'joined'
  );
};

test('passthrough joins TLS for its own name alone', () => {
  expect(judge({}, 'api.example.com')).toBe('joined');
  expect(judge({}, 'API.example.com')).toBe('joined');
  expect(judge({}, 'other.example.com')).toBe('host-mismatch');
  expect(judge({}, undefined)).toBe('tls-name-missing');
  expect(judge({}, 'api.example.com', true)).toBe('tls-name-encrypted');
});

test('a route takes each exception on itself, one by one', () => {
  expect(judge({ tls: ['no-server-name'] }, undefined)).toBe('joined');
  expect(judge({ tls: ['no-server-name'] }, 'other.example.com')).toBe('host-mismatch');
  expect(judge({ tls: ['no-server-name'] }, 'api.example.com', true)).toBe('tls-name-encrypted');
  expect(judge({ tls: ['encrypted-hello'] }, 'public.cdn.example', true)).toBe('joined');
  expect(judge({ tls: ['encrypted-hello'] }, 'public.cdn.example', false)).toBe('host-mismatch');
});

test('inspect wants the name, and lets a client pretend to encrypt', () => {
  expect(judge({ mode: 'inspect' }, 'api.example.com', true)).toBe('joined');
  expect(judge({ mode: 'inspect' }, 'other.example.com', true)).toBe('host-mismatch');
  expect(judge({ mode: 'inspect' }, undefined)).toBe('tls-name-missing');
});
