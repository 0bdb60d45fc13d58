export { type BodyEncoding, bodyEncodings } from './body-decoding.ts';
export { DataLossGuard } from './guard.ts';
export { type Question, Questions } from './questions.ts';
export type { AnswerHold } from './standing-answers.ts';
export { readTripwireMark, Tripwire, type TripwireMark, type TripwireOptions } from './tripwire.ts';
export type { Watch } from './watch.ts';
export { watchRequest } from './watch-request.ts';
export { type WatchedSource, type WatchedValue, WatchedValues, watchedWith } from './watched-values.ts';
