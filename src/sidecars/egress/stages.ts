/*
 * Scope: what looks at the bytes of a request or of its answer on their way: one after the other, chunk by chunk, in bounded memory.
 * Out of scope: what each of them looks for. Fail-safe direction: a stage that throws ends the body there; a `StageRefusal` says why.
 */
import { pipeline, type Readable, Transform } from 'node:stream';
import type { Denied } from './decide.ts';

/** Looks at one body. May mask and hold back bytes, but gives as many as it took, so that a length that was announced stays true. */
export interface BodyStage {
  /** Gives the bytes that may go on; may throw a `StageRefusal` */
  push(chunk: Buffer): Buffer;
  /** Gives what was held back; may throw a `StageRefusal` */
  end(): Buffer;
  /** Does not look at what the bytes say, so that they may be encoded */
  readonly countsOnly?: true;
}

/** A stage of the answer sees its header fields, reason phrase and trailers as well. */
export interface ResponseStage extends BodyStage {
  text(value: string): string;
  /** Name of a field, in lower case */
  name(value: string): string;
}

/** A stage found what must not pass. */
export class StageRefusal extends Error {
  readonly denied: Denied;

  constructor(denied: Denied) {
    super(denied.message);
    this.denied = denied;
  }
}

const NOTHING = Buffer.alloc(0);

/** Does any stage have to read the bytes? */
export function areSearched(stages: readonly BodyStage[]): boolean {
  return stages.some(({ countsOnly }) => countsOnly !== true);
}

/** Passes a chunk through all stages. */
export function pushThrough(stages: readonly BodyStage[], chunk: Buffer): Buffer {
  let bytes = chunk;
  for (const stage of stages) bytes = stage.push(bytes);
  return bytes;
}

/** What the stages still hold, in order, at the end of a body. */
export function endThrough(stages: readonly BodyStage[]): Buffer {
  let rest: Buffer = NOTHING;
  for (const stage of stages) {
    const passed = rest.length === 0 ? NOTHING : stage.push(rest);
    const held = stage.end();
    rest = held.length === 0 ? passed : Buffer.concat([passed, held]);
  }
  return rest;
}

export function textThrough(stages: readonly ResponseStage[], value: string): string {
  let text = value;
  for (const stage of stages) text = stage.text(text);
  return text;
}

export function nameThrough(stages: readonly ResponseStage[], name: string): string {
  return stages.reduce((text, stage) => stage.name(text), name);
}

/** What all stages make of the fields of an answer. */
export function scrubOf(stages: readonly ResponseStage[]) {
  return { name: (name: string): string => nameThrough(stages, name), value: (value: string): string => textThrough(stages, value) };
}

/** The source as the stages let it pass, with back-pressure; where one refuses, the stream fails with its `StageRefusal`. */
export function streamThrough(source: Readable, stages: readonly BodyStage[]): Readable {
  if (stages.length === 0) return source;
  const through = transformOf(stages);
  pipeline(source, through, () => undefined);
  return through;
}

export function transformOf(stages: readonly BodyStage[]): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => attempt(() => pushThrough(stages, chunk), done),
    flush: (done) => attempt(() => endThrough(stages), done),
  });
}

function attempt(work: () => Buffer, done: (error: Error | null, bytes?: Buffer) => void): void {
  try {
    done(null, work());
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Counts the bytes of one direction and lets them pass unread while the budget lasts. */
export class MeterStage implements ResponseStage {
  readonly countsOnly = true;
  readonly #count: (bytes: number) => Denied | undefined;

  constructor(count: (bytes: number) => Denied | undefined) {
    this.#count = count;
  }

  push(chunk: Buffer): Buffer {
    const refusal = this.#count(chunk.length);
    if (refusal !== undefined) throw new StageRefusal(refusal);
    return chunk;
  }

  end(): Buffer {
    return NOTHING;
  }

  text(value: string): string {
    return value;
  }

  name(value: string): string {
    return value;
  }
}
