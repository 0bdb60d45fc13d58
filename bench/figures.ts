export type Figures = Record<string, unknown>;

/** The number at a place in what a bench printed; undefined where there is none. */
export function at(figures: unknown, ...path: readonly string[]): number | undefined {
  let found = figures;
  for (const name of path) found = typeof found === 'object' && found !== null ? (found as Figures)[name] : undefined;
  return typeof found === 'number' ? found : undefined;
}

/** At most two places after the point; `?` for what was not measured. */
export function text(value: number | undefined): string {
  if (value === undefined) return '?';
  return String(Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100);
}
