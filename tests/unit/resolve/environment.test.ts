import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { type EnvironmentEntry, type EnvironmentInputs, resolveEnvironment } from '../../../src/core/resolve/index.ts';

const hostEnv = { REGION: 'north', EMPTY: '', MULTI: 'a\nb "c" ü' };
const resolve = (entries: Record<string, EnvironmentEntry>, inputs: Partial<EnvironmentInputs> = {}) =>
  resolveEnvironment(entries, { hostEnv, interactive: false, ...inputs });

test.each([
  ['plain text', 'plain text'],
  ['${REGION}-1', 'north-1'],
  ['${MULTI}', 'a\nb "c" ü'],
  ['$${REGION}', '${REGION}'],
  ['$$$$', '$$'],
  ['$REGION and $', '$REGION and $'],
  ['${UNSET:-fallback}', 'fallback'],
  ['${UNSET:-}', ''],
  ['${EMPTY:-filled}', 'filled'],
  ['${EMPTY}', ''],
  ['${REGION:-unused}', 'north'],
  ['', ''],
])('%j resolves to %j', async (entry, value) => {
  expect((await resolve({ NAME: entry })).plain).toEqual({ NAME: value });
});

test('what the host gives is not expanded again', async () => {
  expect((await resolve({ A: '${B}' }, { hostEnv: { B: '${C}$$', C: 'no' } })).plain).toEqual({ A: '${C}$$' });
});

test('an unset variable stops the task and is named', async () => {
  await expect(resolve({ NAME: '${NOWHERE}' })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('`NOWHERE`'),
  });
  await expect(resolve({ NAME: '${toString}' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});

test.each(['${', '${REGION', '${1X}', '${A B}', '${REGION-x}'])('%j is refused', async (entry) => {
  await expect(resolve({ NAME: entry })).rejects.toMatchObject({ code: 'INVALID_CONFIG', hint: expect.stringContaining('$$') });
});

test.each(['1X', 'A-B', 'A=B', '', 'Ä', 'A\nB', '__proto__\0'])('the name %j is refused', async (name) => {
  await expect(resolve({ [name]: 'x' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});

test.each(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'TEROK_ANYTHING', 'HOME', 'AGENT_KEY'])('the name %s belongs to terok', async (name) => {
  await expect(resolve({ [name]: 'x' }, { ownedNames: ['AGENT_KEY'] })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    hint: expect.stringContaining('terok secret set'),
  });
});

test('values that no process can be given are refused', async () => {
  await expect(resolve({ NAME: 'a\0b' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  await expect(resolve({ NAME: 'ü'.repeat(70_000) })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  expect((await resolve({ NAME: 'x'.repeat(100_000) })).plain.NAME).toHaveLength(100_000);
});

test('a secret is asked for and kept apart', async () => {
  const asked: string[] = [];
  const prompt = async (question: string): Promise<string> => {
    asked.push(question);
    return 'hunter2';
  };
  const { plain, secrets } = await resolve({ A: 'x', KEY: { prompt: 'Key of the shop' } }, { interactive: true, prompt });
  expect(plain).toEqual({ A: 'x' });
  expect(asked).toEqual(['Key of the shop']);
  expect(secrets.get('KEY')?.reveal()).toBe('hunter2');
  const shown = `${inspect(secrets, { depth: 9, showHidden: true })}${JSON.stringify([...secrets])}${String(secrets.get('KEY'))}`;
  expect(shown).not.toContain('hunter2');
  expect(shown).toContain('[secret]');
});

const unanswered: [string, Partial<EnvironmentInputs>][] = [
  ['no terminal', { interactive: false, prompt: () => Promise.resolve('x') }],
  ['no answer', { interactive: true, prompt: () => Promise.resolve(undefined) }],
  ['an empty answer', { interactive: true, prompt: () => Promise.resolve('') }],
  ['nobody to ask', { interactive: true }],
];

test.each(unanswered)('with %s a secret is missing', async (_, inputs) => {
  await expect(resolve({ KEY: { prompt: 'Key' } }, inputs)).rejects.toMatchObject({ code: 'SECRET_MISSING', context: { name: 'KEY' } });
});

test('nobody is asked when another variable cannot be resolved', async () => {
  let asked = false;
  const prompt = async (): Promise<string> => {
    asked = true;
    return 'x';
  };
  await expect(resolve({ KEY: { prompt: 'Key' }, B: '${NOWHERE}' }, { interactive: true, prompt })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
  });
  expect(asked).toBe(false);
});
