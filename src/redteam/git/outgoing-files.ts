/** How files leave a bottle, by terok and without it, and what came of them on this machine. */
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, run } from '../../core/index.ts';
import type { RedBench, RedBottle } from '../bench/index.ts';

/** An empty directory of this machine that files are copied to. */
export async function directory(bench: RedBench, name: string): Promise<string> {
  const made = path.join(bench.directory, 'files', name);
  await rm(made, { recursive: true, force: true });
  await mkdir(made, { recursive: true });
  return made;
}

/** Copies out as a person does who accepts every kind of file; gives what went wrong. */
export async function copyOut(bench: RedBench, bottle: RedBottle, bottlePath: string, hostPath: string): Promise<string> {
  const request = { slug: bottle.slug, direction: 'out', bottlePath, hostPath, accept: async () => await Promise.resolve(true) } as const;
  return await bench.terok.copy({ ...request, signal: bench.signal }).then((report) => JSON.stringify(report), messageOf);
}

/** The same with the archiver of this machine, as a tool without a wall would do it. */
export async function untar(bottle: RedBottle, parent: string, name: string, target: string): Promise<void> {
  const { stdout } = await bottle.run(['sh', '-c', 'tar -C "$1" -cf - -- "$2" 2>/dev/null | base64 -w0', 'sh', parent, name], {
    user: 'root',
  });
  await run(['tar', '-C', target, '-xpf', '-'], { env: { PATH: process.env['PATH'] ?? '' }, input: Buffer.from(stdout, 'base64') });
}

/** What is at a path, without following anything. */
export async function kindAt(file: string): Promise<string> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return 'nothing';
  if (found.isSymbolicLink()) return 'link';
  return found.isFile() ? (found.nlink > 1 ? 'hard link' : 'file') : found.isDirectory() ? 'directory' : 'special';
}

/** The kinds of everything below a directory; no link is followed. */
export async function kindsBelow(dir: string): Promise<readonly string[]> {
  const kinds = new Set<string>();
  for (const name of (await kindAt(dir)) === 'directory' ? await readdir(dir) : []) {
    kinds.add(await kindAt(path.join(dir, name)));
    for (const kind of await kindsBelow(path.join(dir, name))) kinds.add(kind);
  }
  return [...kinds].sort();
}
