/** Lines of `after` that `before` does not have, each once; order of `after`. */
export function addedLines(before: string, after: string): readonly string[] {
  const known = new Set(before.split(/\r?\n|\r/));
  return [...new Set(after.split(/\r?\n|\r/))].filter((line) => !known.has(line) && line.trim() !== '');
}
