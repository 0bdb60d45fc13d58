import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { agentSchema } from '../../../src/agents/index.ts';
import { EGRESS_SET_NAMES, parseConfig, repositoryRequestsSchema, settingsSchema } from '../../../src/core/config/index.ts';

const PAGE = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
const SCHEMAS = { config: settingsSchema, requests: repositoryRequestsSchema, agent: agentSchema } as const;
const blocks = [...PAGE.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = ''], index) => ({ index, info, text }));

describe('every example of docs/configuration.md', () => {
  test('says what it is', () => {
    expect(new Set(blocks.map(({ info }) => info))).toEqual(new Set(['yaml config', 'yaml requests', 'yaml agent']));
  });

  test.each(blocks)('block $index ($info) is accepted', ({ info, text }) => {
    const schema = SCHEMAS[info.replace('yaml ', '') as keyof typeof SCHEMAS];
    expect(parseConfig<unknown>(text, 'docs/configuration.md', schema)).not.toEqual({});
    expect(() => parseConfig<unknown>(`${text}\nunknown_key: 1\n`, 'docs/configuration.md', schema)).toThrow(/unknown_key/);
  });
});

const EGRESS = readFileSync(new URL('../../../docs/egress.md', import.meta.url), 'utf8');
const routes = [...EGRESS.matchAll(/^```yaml config\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);

test('every example of docs/egress.md is accepted', () => {
  expect(routes.length).toBeGreaterThan(1);
  for (const text of routes) expect(parseConfig(text, 'docs/egress.md', settingsSchema).egress).toBeDefined();
});

test('docs/egress.md names every field of a route and every set', () => {
  const fields = configuredRouteFields();
  expect(fields).toContain('budget');
  for (const field of fields) expect(EGRESS + PAGE).toContain(field);
  for (const set of EGRESS_SET_NAMES) expect(EGRESS).toContain(`\`${set}\``);
});

function configuredRouteFields(): string[] {
  const schema = JSON.parse(readFileSync(new URL('../../../docs/schemas/config.json', import.meta.url), 'utf8')) as {
    properties: { egress: { properties: { routes: { items: { properties: object } } } } };
  };
  return Object.keys(schema.properties.egress.properties.routes.items.properties);
}

test('the settings of the page are all there are', () => {
  for (const name of Object.keys(settingsSchema.shape)) expect(PAGE).toMatch(new RegExp(`^${name}:`, 'm'));
});
