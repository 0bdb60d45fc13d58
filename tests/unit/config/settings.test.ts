import { expect, test } from 'vitest';
import { mergeRequests, mergeSettings, parseConfig, repositoryRequestsSchema, settingsSchema } from '../../../src/core/config/index.ts';

const settings = (text: string) => parseConfig(text, 'f', settingsSchema);
const requests = (text: string) => parseConfig(text, '.terok.yml', repositoryRequestsSchema);
const ROUTE = (name: string, host: string) => `{ name: ${name}, hosts: [${host}], mode: passthrough }`;

test('limits are on by default and merge one by one', () => {
  const { settings: merged, origins } = mergeSettings(settings('limits: { cpus: 4, pids: 99 }'), settings('limits: { pids: 500 }'));
  expect(merged.limits).toEqual({ memoryMiB: 4096, cpus: 4, pids: 500, files: 16_384 });
  expect(origins).toMatchObject({ 'limits.memoryMiB': 'default', 'limits.cpus': 'global', 'limits.pids': 'project', sudo: 'default' });
});

test('the project decides over the global configuration, and routes of both apply', () => {
  const global = settings(`agent: codex\nsudo: true\nenv: { A: "1", B: "1" }\negress: { routes: [${ROUTE('one', 'a.example.com')}] }`);
  const project = settings(`agent: claude\nsudo: false\nenv: { B: "2" }\negress: { routes: [${ROUTE('two', 'b.example.com')}] }`);
  const { settings: merged } = mergeSettings(global, project);
  expect(merged.agent).toBe('claude');
  expect(merged.sudo).toBe(false);
  expect(merged.env).toEqual({ A: '1', B: '2' });
  expect(merged.egress.routes.map((route) => route.name)).toEqual(['one', 'two']);
});

test('without any route in the configuration nothing is reachable', () => {
  expect(mergeSettings({}, {}).settings.egress.routes).toEqual([]);
});

test('every wish of a repository is listed as not granted, with the way to grant it', () => {
  const wishes = requests(
    `agent: claude\npackages: [golang]\nenv: [CI_TOKEN]\nroutes: [${ROUTE('evil', 'evil.example.com')}]\nlimits: { memoryMiB: 99999 }`,
  );
  const ungranted = mergeRequests(wishes, mergeSettings({}, {}).settings, '/c/projects/p.yml');
  expect(ungranted.map((each) => each.what)).toEqual([
    'the agent `claude`',
    'the Debian package `golang`',
    'the environment variable `CI_TOKEN`',
    'network access to `evil.example.com:443`',
    '`memoryMiB` of 99999 (in effect: 4096)',
  ]);
  expect(ungranted.every((each) => each.how.length > 10)).toBe(true);
});

test('a wish that the user granted is not listed', () => {
  const wishes = requests(`agent: claude\nenv: [CI_TOKEN]\nroutes: [${ROUTE('docs', 'docs.example.com')}]\nlimits: { memoryMiB: 64 }`);
  const granted = mergeSettings(
    {},
    settings(`agent: claude\nenv: { CI_TOKEN: "x" }\negress: { routes: [${ROUTE('mine', 'docs.example.com')}] }`),
  );
  expect(mergeRequests(wishes, granted.settings, '/c/projects/p.yml')).toEqual([]);
});

test('a repository cannot even write down sudo, an image, a backend or a model server', () => {
  for (const key of ['sudo: true', 'image: {}', 'backend: podman', 'models: {}', 'unenforcedLimits: [memory]', 'egress: { routes: [] }']) {
    expect(() => requests(key)).toThrow(/unknown setting/);
  }
});
