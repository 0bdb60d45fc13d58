/*
 * Scope: credentials by their look, with the rules of secretlint, in this process. Out of scope: exact values, see `needle-search.ts`.
 * Fail-safe direction: a comment in the text that asks to be ignored is not heard; a rule that fails is an error.
 */
import type { PatternHit, PatternScanner } from './pattern-scanner.ts';
import type { TextSegment } from './text-batch.ts';

/** Between two segments: ends a line, and is in no credential */
const SEPARATOR = '\n\0\n';

export async function loadSecretlint(): Promise<PatternScanner> {
  const [{ lintSource }, { creator }] = await Promise.all([
    import('@secretlint/core'),
    import('@secretlint/secretlint-rule-preset-recommend'),
  ]);
  const config = { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator }] };
  return {
    name: 'secretlint',
    async scan(segments) {
      const content = segments.map(({ text }) => text).join(SEPARATOR);
      const source = { filePath: 'push.txt', content, contentType: 'text', ext: '.txt' } as const;
      const { messages } = await lintSource({ source, options: { config, noPhysicFilePath: true } });
      const starts = startsOf(segments);
      return messages.flatMap(({ ruleId, messageId, range }) => {
        const index = starts.findLastIndex((start) => start <= range[0]);
        const segment = segments[index];
        if (segment === undefined) return [];
        return [hitOf(segment, { kind: kindOf(ruleId, messageId), at: range[0] - (starts[index] ?? 0), length: range[1] - range[0] })];
      });
    },
  };
}

function startsOf(segments: readonly TextSegment[]): number[] {
  let at = 0;
  return segments.map(({ text }) => {
    const start = at;
    at += text.length + SEPARATOR.length;
    return start;
  });
}

function hitOf(segment: TextSegment, { kind, at, length }: { kind: string; at: number; length: number }): PatternHit {
  return { segment, kind, at, match: segment.text.slice(at, at + length) };
}

function kindOf(ruleId: string, messageId: string): string {
  return `${ruleId.replace(/^.*secretlint-rule-/, '')}: ${messageId}`;
}
