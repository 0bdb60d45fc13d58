import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { deny } from '../../../src/sidecars/egress/decide.ts';
import { matcherOf, Scrubber } from '../../../src/sidecars/egress/scrub.ts';
import { endThrough, pushThrough, StageRefusal, streamThrough } from '../../../src/sidecars/egress/stages.ts';

const cut = (text: string, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, at) => Buffer.from(text.slice(at * size, (at + 1) * size)));

describe('the stages of a body', () => {
  test.each([1, 2, 3, 7, 100])('pass on what each of them holds back, in order (chunks of %i)', (size) => {
    const stages = [new Scrubber(matcherOf(['secret-one'])), new Scrubber(matcherOf(['two-secret']))];
    const text = 'a secret-one b two-secret c secret-on two-secre';
    const bytes = [...cut(text, size).map((chunk) => pushThrough(stages, chunk)), endThrough(stages)];
    expect(Buffer.concat(bytes).toString()).toBe('a ********** b ********** c secret-on two-secre');
  });

  test('a stream without stages is the source itself', async () => {
    const source = Readable.from(cut('text', 2));
    expect(streamThrough(source, [])).toBe(source);
    expect((await buffer(streamThrough(source, [new Scrubber(matcherOf(['xxxxxxxx']))]))).toString()).toBe('text');
  });

  test('a stage that refuses ends the stream with its reason, and the source', async () => {
    const denied = deny('response-unscannable', 'found', '');
    const refusing = {
      push: (): Buffer => {
        throw new StageRefusal(denied);
      },
      end: () => Buffer.alloc(0),
    };
    const source = Readable.from(cut('x'.repeat(1_000), 10));
    const through = streamThrough(source, [refusing]);
    const [error] = (await once(through.resume(), 'error')) as [StageRefusal];
    expect(error.denied).toBe(denied);
    expect(source.destroyed).toBe(true);
  });
});
