/*
 * Scope: credentials by their look, with the rules of secretlint. Out of scope: exact values (`watched-values.ts`).
 * Fail-safe direction: a rule that fails is an error, and the body ends there.
 */

export interface Detected {
  /** Kind of credential, for example `github: GITHUB_TOKEN` */
  readonly rule: string;
  readonly start: number;
  readonly end: number;
}

export type Detect = (text: string) => Promise<readonly Detected[]>;

/** Loads the rules, which takes some 20 ms and 10 MB, so only where a route asks for them. */
export async function loadDetectors(): Promise<Detect> {
  const [{ lintSource }, { creator }] = await Promise.all([
    import('@secretlint/core'),
    import('@secretlint/secretlint-rule-preset-recommend'),
  ]);
  const config = { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator }] };
  return async (content) => {
    const source = { filePath: 'request.txt', content, contentType: 'text', ext: '.txt' } as const;
    const { messages } = await lintSource({ source, options: { config, noPhysicFilePath: true } });
    return messages.map(({ ruleId, messageId, range }) => ({
      rule: `${ruleId.replace(/^.*secretlint-rule-/, '')}: ${messageId}`,
      start: range[0],
      end: range[1],
    }));
  };
}
