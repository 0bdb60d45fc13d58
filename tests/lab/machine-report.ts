interface Skip {
  readonly name: string;
  readonly reason?: string;
}

interface Failure {
  readonly name: string;
  readonly message: string;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
}

/** What `scripts/count-reporter.mjs` writes. */
export interface Report {
  readonly projects: Readonly<Record<string, Counts>>;
  readonly unhandled: number;
}

/** One report of many, under the names of their suites; a suite without a report counts as a failure. */
export function joinReports(reports: ReadonlyMap<string, Report | undefined>): Report {
  return {
    projects: Object.fromEntries([...reports].map(([name, report]) => [name, countsOf(name, report)])),
    unhandled: [...reports.values()].reduce((sum, report) => sum + (report?.unhandled ?? 0), 0),
  };
}

/** A skip with its reason: what speaks against the lab says nothing about machines. */
export function notRun(reason: string): Report {
  return { projects: { krun: { passed: 0, failed: 0, skipped: 1, failures: [], skips: [{ name: 'machines', reason }] } }, unhandled: 0 };
}

function countsOf(name: string, report: Report | undefined): Counts {
  const all = Object.values(report?.projects ?? {});
  const sum = (key: 'passed' | 'failed' | 'skipped'): number => all.reduce((total, counts) => total + counts[key], 0);
  return {
    passed: sum('passed'),
    failed: sum('failed') + (report === undefined ? 1 : 0),
    skipped: sum('skipped'),
    failures: report === undefined ? [{ name, message: 'The run ended without counts.' }] : all.flatMap(({ failures }) => failures),
    skips: all.flatMap(({ skips }) => skips),
  };
}
