import { fileURLToPath } from 'node:url';

/** Built, all modules lie in a few bundles side by side in `dist/`; as sources they lie below `src/`. */
const isBuilt = !import.meta.url.endsWith('.ts');

/** Where one of terok's own files lies: `source` is relative to `src/`, `built` to `dist/`, whichever runs. */
export function ownFile({ source, built }: { readonly source: string; readonly built: string }): string {
  return fileURLToPath(isBuilt ? new URL(built, import.meta.url) : new URL(`../${source}`, import.meta.url));
}
