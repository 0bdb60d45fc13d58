import { fileURLToPath } from 'node:url';

/** Path of a module beside the calling one, as source (`.ts`) or built (`.js`), whichever runs; for programs that terok starts itself. */
export function entryPoint(caller: string, name: string): string {
  const extension = caller.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`${name}.${extension}`, caller));
}
