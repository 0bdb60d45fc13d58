export type { RedBench, RedBottle } from './bench/index.ts';
export { loadSuite, type OpenSuite, openSuite } from './open-suite.ts';
export { type Row, SUITE_NAMES, type Suite, type SuiteName } from './row.ts';
export { type RedteamRequest, runRedteam } from './run-suite.ts';
export type { RowResult, Scorecard } from './scorecard.ts';
export { type Observation, Trial, type Verdict } from './trial.ts';
