import { bottleDirs, messageOf, type TerokPaths } from '../core/index.ts';
import { canaryNotes } from './data-loss.ts';

const INTERVAL_MS = 500;

/** Tells what becomes known about the canary of a running bottle, each thing once, until the returned function is called. */
export function watchCanary(paths: TerokPaths, slug: string, tell: (note: string) => void): () => void {
  const told = new Set<string>();
  const look = async (): Promise<void> => {
    const notes = await canaryNotes(bottleDirs(paths, slug), slug).catch((error: unknown) => [messageOf(error)]);
    for (const note of notes.filter((each) => !told.has(each))) {
      told.add(note);
      tell(note);
    }
  };
  const timer = setInterval(() => void look(), INTERVAL_MS);
  return () => clearInterval(timer);
}
