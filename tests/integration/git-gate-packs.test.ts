/** Packs and depths at their limits, read by the scanner's own reader from packs that git made. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPackFacts } from '../../src/sidecars/git-gate/scan/pack-facts.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

describe('the facts of a pack', () => {
  test.each(['sha1', 'sha256'])('are those that git itself says, with %s', async (format) => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository('shop', [`--object-format=${format}`]);
    const lines = Array.from({ length: 400 }, (_value, index) => `line ${index * 7919}\n`);
    for (let version = 0; version < 12; version += 1) {
      lines[version] = `changed ${version}\n`;
      await lab.commit(source, { 'a.txt': lines.join('') }, `Version ${version}`);
    }
    await mustGit(source, ['repack', '-adfq', '--depth=50', '--window=50']);
    const directory = path.join(source, '.git/objects/pack');
    const pack = path.join(directory, (await readdir(directory)).find((name) => name.endsWith('.pack')) ?? '');
    const index = pack.replace(/\.pack$/, '.idx');
    const said = await mustGit(source, ['verify-pack', '-v', index]);
    const chains = [...said.matchAll(/^chain length = (\d+):/gm)].map((match) => Number(match[1]));
    const objects = said.split('\n').filter((line) => /^[0-9a-f]{40,64} /.test(line)).length;
    expect(chains.length).toBeGreaterThan(1);
    expect(readPackFacts(pack, index, format === 'sha1' ? 20 : 32)).toEqual({ objects, deltaDepth: Math.max(...chains) });
  });
});

describe('what is above a limit', () => {
  test('is refused with the limit: 1 GiB in a pack of a megabyte, and a message of 9 MB; then a push is taken', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const tip = await mustGit(clone, ['rev-parse', 'HEAD']);
    const script = `truncate -s 1G zeros && git add zeros && git commit -qm Zeros && rm zeros`;
    await mustGit(clone, ['-c', `alias.run=!${script}`, 'run']);
    const large = await gitIn(clone, ['push']);
    expect(large.code).not.toBe(0);
    expect(large.stderr).toContain('zeros');
    const message = 'printf %9000000s x | git commit-tree -p "$1" "$1^{tree}"';
    const bomb = await mustGit(clone, ['-c', `alias.bomb=!f() { ${message}; }; f`, 'bomb', tip]);
    const refused = await gitIn(clone, ['push', 'origin', `${bomb}:refs/heads/terok/shop`]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/terok: .*MiB|terok: .*MB|terok: .*bytes/);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
    await mustGit(clone, ['reset', '--quiet', '--hard', tip]);
    await lab.commit(clone, { 'small.txt': 'small\n' }, 'Small');
    await mustGit(clone, ['push']);
  });
});
