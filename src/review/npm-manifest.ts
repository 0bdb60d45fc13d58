import { entriesOf, type JsonRecord, parseRecord, textOf } from './json-value.ts';

/** Fields of `package.json` whose entries name what runs or what is fetched. */
const MAPS = [
  'scripts',
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
  'overrides',
  'resolutions',
  'bin',
  'exports',
  'engines',
] as const;

/** Fields that name a program or a place as a whole. */
const VALUES = ['main', 'packageManager', 'workspaces', 'bundledDependencies', 'publishConfig', 'gypfile', 'pnpm', 'lint-staged', 'husky'];

/** What changed in a `package.json`: one line for each script, dependency and program. Throws where it is no JSON object. */
export function npmManifestChanges(before: string, after: string): readonly string[] {
  const [old, next] = [parseRecord(before), parseRecord(after)];
  return [...MAPS.flatMap((field) => mapChanges(field, old, next)), ...VALUES.flatMap((field) => valueChange(field, old, next))];
}

function mapChanges(field: string, old: JsonRecord, next: JsonRecord): readonly string[] {
  const before = new Map(entriesOf(old, field).map(([name, value]) => [name, textOf(value)]));
  const after = new Map(entriesOf(next, field).map(([name, value]) => [name, textOf(value)]));
  const set = [...after].flatMap(([name, value]) => {
    const known = before.get(name);
    if (known === value) return [];
    return known === undefined ? `+ ${field}.${name}: ${value}` : `~ ${field}.${name}: ${known} → ${value}`;
  });
  return [...set, ...[...before.keys()].filter((name) => !after.has(name)).map((name) => `- ${field}.${name}`)];
}

function valueChange(field: string, old: JsonRecord, next: JsonRecord): readonly string[] {
  const [before, after] = [old, next].map((side) => (Object.hasOwn(side, field) ? textOf(side[field]) : undefined));
  return before === after ? [] : [`~ ${field}: ${before ?? 'none'} → ${after ?? 'none'}`];
}
