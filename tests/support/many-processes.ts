import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** Runs `count` processes of a TypeScript program at the same time and gives what each printed, without the final newline. */
export async function manyProcesses(program: URL, count: number, env: Readonly<Record<string, string>>): Promise<string[]> {
  const results = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      execa(process.execPath, [fileURLToPath(program), String(index)], { env: { ...env, NODE_NO_WARNINGS: '1' }, timeout: 60_000 }),
    ),
  );
  return results.map(({ stdout }) => stdout);
}
