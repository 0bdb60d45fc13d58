import { describe, expect, test } from 'vitest';
import { parseConfig, settingsSchema } from '../../../src/core/config/index.ts';
import { parseRoutes } from '../../../src/core/resolve/index.ts';
import { mintRouteCredentials } from '../../../src/tasks/route-credentials.ts';

const route = (name: string, secret: string, env: string) => ({
  name,
  hosts: [`${name}.example.com`],
  ports: [443],
  mode: 'inspect' as const,
  inject: { secret, header: 'authorization', prefix: 'Bearer ', env },
});

describe('mintRouteCredentials', () => {
  test('gives routes that share a secret and a variable one token, fresh for each bottle', () => {
    const routes = [route('a', 'tracker', 'TOKEN'), route('b', 'tracker', 'TOKEN'), route('c', 'other', 'OTHER')];
    const first = mintRouteCredentials(routes, []);
    const parsed = parseRoutes(first.routes, 'test');
    expect(parsed[0]?.inject).toEqual({ secret: 'tracker', header: 'authorization', prefix: 'Bearer ', phantom: first.env.TOKEN });
    expect(parsed[1]?.inject?.phantom).toBe(first.env.TOKEN);
    expect(parsed[2]?.inject?.phantom).toBe(first.env.OTHER);
    expect(new Set([first.env.TOKEN, first.env.OTHER, mintRouteCredentials(routes, []).env.TOKEN]).size).toBe(3);
  });

  test.each([
    ['the agent has', [route('a', 's', 'AGENT_KEY')], /has another value/],
    ['terok sets', [route('a', 's', 'SSL_CERT_FILE')], /has another value/],
    ['stands for another secret', [route('a', 's', 'T'), route('b', 't', 'T')], /stands for the secret `s`/],
  ])('refuses a variable that %s', (_what, routes, message) => {
    expect(() => mintRouteCredentials(routes, ['AGENT_KEY'])).toThrow(message);
  });
});

test('a repository can neither name a secret nor bring a phantom of its own', () => {
  const text = (key: string) =>
    `egress: { routes: [{ name: a, hosts: [a.example.com], mode: inspect, inject: { secret: s, header: x, ${key}: abcdefghijklmnopqrst } }] }`;
  expect(parseConfig(text('env'), 'f', settingsSchema).egress?.routes[0]?.inject?.env).toBe('abcdefghijklmnopqrst');
  expect(() => parseConfig(text('phantom'), 'f', settingsSchema)).toThrow(/unknown setting `phantom`|inject.env/);
});
