/** One package that a lock file names. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** What a person should know: an install script, where it comes from */
  readonly note?: string;
}

/** Reads a lock file; throws where it cannot. */
export type PackageReader = (text: string) => readonly LockedPackage[];

/** Lines about packages that came, changed or went; what came is first. */
export function packageChanges(before: readonly LockedPackage[], after: readonly LockedPackage[]): readonly string[] {
  const [old, next] = [versionsOf(before), versionsOf(after)];
  const lines: { rank: number; line: string }[] = [];
  for (const [name, versions] of next) {
    const known = old.get(name);
    const fresh = [...versions].filter(([version]) => known?.has(version) !== true);
    for (const [version, note] of fresh) {
      const suffix = note === '' ? '' : ` (${note})`;
      if (known === undefined) lines.push({ rank: 0, line: `+ ${name} ${version}${suffix}` });
      else lines.push({ rank: 1, line: `~ ${name} ${[...known.keys()].join(', ')} → ${version}${suffix}` });
    }
  }
  for (const name of old.keys()) if (!next.has(name)) lines.push({ rank: 2, line: `- ${name}` });
  return lines.sort((a, b) => a.rank - b.rank).map(({ line }) => line);
}

/** Name → version and note → note; a note that changes counts as another version. */
function versionsOf(packages: readonly LockedPackage[]): Map<string, Map<string, string>> {
  const all = new Map<string, Map<string, string>>();
  for (const { name, version, note = '' } of packages) {
    const versions = all.get(name) ?? new Map<string, string>();
    all.set(name, versions.set(version, note));
  }
  return all;
}
