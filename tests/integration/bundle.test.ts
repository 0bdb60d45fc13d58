import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
/** Each takes the start of a program longer than the rest of its bundle. */
const HEAVY = /core\/config\/schema|core\/resolve\/route-schema|agents\/roster-schema|projects\/git\/provenance|egress\/decide/;

const STATIC_IMPORT = /from\s*["'`]\.\/([^"'`]+)["'`]/g;
const ANY_IMPORT = /(?:from|import)\s*\(?["'`]\.\/([^"'`]+)["'`]/g;

it('has no file that must be there before itself', () => {
  for (const name of globSync('*.js', { cwd: DIST }))
    for (const next of importsOf(name, STATIC_IMPORT)) expect(filesFrom(next, STATIC_IMPORT), name).not.toContain(name);
});

describe('what a start loads', () => {
  it('is no schema of routes or of the configuration for a gateway, nor can it load one later', () => {
    const modules = filesFrom('gateway.js', ANY_IMPORT).flatMap(sourcesOf);
    expect(modules).toContain('sidecars/gateway/create-gateway.ts');
    expect(modules.filter((name) => HEAVY.test(name))).toEqual(['sidecars/egress/decide.ts']);
  });

  it('is neither what judges egress nor what reads a configuration for a task', () => {
    const modules = filesFrom(fileWith('tasks/run-task.ts'), STATIC_IMPORT).flatMap(sourcesOf);
    expect(modules).toContain('tasks/recover.ts');
    expect(modules.filter((name) => HEAVY.test(name))).toEqual(['core/resolve/route-schema.ts']);
  });
});

/** A file and all that it imports in one of the ways that `imports` finds. */
function filesFrom(entry: string, imports: RegExp): string[] {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const next of importsOf(name, imports)) visit(next);
  };
  visit(entry);
  return [...seen];
}

function importsOf(name: string, imports: RegExp): string[] {
  return Array.from(readFileSync(path.join(DIST, name), 'utf8').matchAll(imports), ([, next = '']) => next);
}

/** The file of the command line, which is the first program that a build makes, with this module in it. */
function fileWith(module: string): string {
  const main = readFileSync(path.join(DIST, 'cli.js'), 'utf8');
  const [, command = ''] = /import\(["'`]\.\/(run-command-[^"'`]+)["'`]/.exec(main) ?? [];
  const text = readFileSync(path.join(DIST, command), 'utf8');
  const [, tasks = ''] = /import\(["'`]\.\/(tasks-[^"'`]+)["'`]/.exec(text) ?? [];
  const files = [tasks, ...globSync('*.js', { cwd: DIST })];
  return files.find((name) => sourcesOf(name).includes(module)) ?? '';
}

function sourcesOf(name: string): string[] {
  const found = globSync(`${name}.map`, { cwd: DIST });
  if (found.length === 0) return [];
  const { sources } = JSON.parse(readFileSync(path.join(DIST, `${name}.map`), 'utf8')) as { readonly sources: readonly string[] };
  return sources.flatMap((source) => /(?:^|\/)src\/(.*)$/.exec(source)?.[1] ?? []);
}
