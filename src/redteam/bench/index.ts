export { type BenchOptions, openBench, type RedBench } from './bench.ts';
export { type BottleWish, type CommandOptions, type CommandResult, RedBottle } from './bottle.ts';
export { NameServer } from './name-server.ts';
export type { TargetCa } from './target-ca.ts';
