/** Text of each file by its path below the root, such as `src/core/errors.ts` */
export type Sources = ReadonlyMap<string, string>;

export function readSources(): Sources;
export function findViolations(sources: Sources): string[];
