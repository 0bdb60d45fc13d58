import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Where a process spent its time: the functions with the most time of their own, in percent of what was not idle. */
export function topFunctions(dir: string, count = 12): Readonly<Record<string, number>> {
  const file = readdirSync(dir).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) return {};
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path.join(dir, file), 'utf8')) as Profile;
  const names = new Map(
    nodes.map(({ id, callFrame }) => [id, `${callFrame.functionName || 'anonymous'} ${path.basename(callFrame.url)}`.trim()]),
  );
  const own = new Map<string, number>();
  let total = 0;
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    if (name === '(idle)') continue;
    const micros = timeDeltas[index] ?? 0;
    total += micros;
    own.set(name, (own.get(name) ?? 0) + micros);
  }
  const sorted = [...own].sort(([, a], [, b]) => b - a).slice(0, count);
  return Object.fromEntries(sorted.map(([name, micros]) => [name, Math.round((micros / total) * 1_000) / 10]));
}
