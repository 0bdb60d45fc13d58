import { describe, expect, test } from 'vitest';
import { hiddenKindsIn, scanDiff } from '../../../src/review/index.ts';

describe('what a line hides', () => {
  test.each([
    ['if (admin\u202e) {', ['bidi']],
    ['a\u2066b', ['bidi']],
    ['pass\u200bword', ['invisible']],
    ['x\u3164 = 1', ['invisible']],
    ['tag\u{e0041}', ['invisible']],
    ['\u001b[2J', ['control']],
    ['a\rb', ['control']],
    ['\u0430dmin', ['homoglyph']],
    ['p\u0430ypal', ['homoglyph']],
    ['\u200b\u202e\u0007', ['bidi', 'invisible', 'control']],
  ])('%j: %j', (line, kinds) => {
    expect(hiddenKindsIn(line)).toEqual(kinds);
  });

  test.each(['plain\tASCII', 'Grüße', 'русский текст', 'αβγ', 'Δx = 5 μs', '日本語', '👩‍💻 ❤️ 👍🏽', 'crlf\r'])(
    '%j hides nothing',
    (line) => {
      expect(hiddenKindsIn(line)).toEqual([]);
    },
  );
});

async function* chunks(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('the scan of a diff', () => {
  const diff = [
    'diff --git a/old b/src/a.ts',
    '--- a/old',
    '+++ b/src/a.ts',
    '@@ -1,2 +10,3 @@ function \u202e',
    '-removed\u202e',
    '--- a/forged',
    '+++ b/forged',
    '+x\u200b',
    '+y',
    '@@ -20,0 +30 @@',
    '+z\u0430b',
    'diff --git "a/\\302" "b/\\302"',
    '+++ "b/\\302\\240"',
    '@@ -0,0 +1 @@',
    '+\u0007',
    '\\ No newline at end of file',
  ].join('\n');

  test.each([1, 7, 10_000])(
    'names file and line of added lines alone, in chunks of %i bytes; content cannot pose as a header',
    async (size) => {
      expect(await scanDiff(chunks(diff, size))).toEqual({
        hits: [
          { path: 'src/a.ts', line: 11, kinds: ['invisible'] },
          { path: 'src/a.ts', line: 30, kinds: ['homoglyph'] },
          { path: '"\\302\\240"', line: 1, kinds: ['control'] },
        ],
        count: 3,
        complete: true,
      });
    },
  );

  test('says where it was cut', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.alloc(1024 ** 2, 'a');
    }
    expect(await scanDiff(endless())).toMatchObject({ complete: false });
  });
});
