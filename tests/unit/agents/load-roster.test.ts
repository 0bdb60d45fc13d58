import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findAgent, loadRoster } from '../../../src/agents/index.ts';
import { temporaryPaths } from '../../support/temporary-paths.ts';

const OWN = `name: mine
label: My agent
binary: mine
install: { npm: { package: my-agent } }
headless: { argv: ['{prompt}'] }
interactive: { argv: [] }
`;

async function rosterWith(files: Readonly<Record<string, string>>) {
  await using temporary = await temporaryPaths();
  const dir = path.join(temporary.paths.config, 'agents');
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(dir, name), text);
  return await loadRoster(temporary.paths.config);
}

describe('loadRoster', () => {
  it('has claude, codex and opencode without any configuration', async () => {
    const roster = await loadRoster('/nonexistent');
    expect([...roster.keys()]).toEqual(['claude', 'codex', 'opencode']);
    expect([...roster.values()].map(({ origin }) => origin)).toEqual(['built-in', 'built-in', 'built-in']);
  });

  it('adds an agent of the user, with the defaults of the schema', async () => {
    const roster = await rosterWith({ 'mine.yaml': OWN });
    expect([...roster.keys()]).toEqual(['claude', 'codex', 'mine', 'opencode']);
    expect(findAgent(roster, 'mine').install.npm.version).toBe('latest');
    expect(roster.get('mine')?.origin).toMatch(/\/agents\/mine\.yaml$/);
  });

  it('lets a file of the user replace a built-in agent of the same name', async () => {
    const roster = await rosterWith({ 'claude.yaml': OWN.replace('name: mine', 'name: claude') });
    expect(findAgent(roster, 'claude').binary).toBe('mine');
  });

  it('names file, line, column, rule and value of a mistake', async () => {
    await expect(rosterWith({ 'mine.yaml': OWN.replace('binary: mine', 'binary: ../mine') })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/agents\/mine\.yaml`, line 3, column 9: `binary`: expected the name of a program.*"\.\.\/mine"/),
    });
  });

  it('refuses an unknown setting, because a typo must not drop a rule', async () => {
    await expect(rosterWith({ 'mine.yaml': `${OWN}autoAprove: { flags: [-y] }\n` })).rejects.toThrow(
      /line 7, column 1: unknown setting `autoAprove`/,
    );
  });

  it.each(['../.bashrc', '/etc/passwd', 'a//b', './x'])('refuses the file path %s', async (file) => {
    await expect(rosterWith({ 'mine.yaml': `${OWN}files: [{ path: '${file}', text: x }]\n` })).rejects.toThrow(/expected a relative path/);
  });

  it('refuses two files that define the same agent', async () => {
    await expect(rosterWith({ 'a.yaml': OWN, 'b.yml': OWN })).rejects.toThrow(/a\.yaml` and `.*b\.yml` both define the agent `mine`/);
  });

  it('lists what exists when an agent is unknown', async () => {
    const roster = await loadRoster('/nonexistent');
    expect(() => findAgent(roster, 'clod')).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', message: 'There is no agent `clod`; there are `claude`, `codex`, `opencode`.' }),
    );
  });
});
