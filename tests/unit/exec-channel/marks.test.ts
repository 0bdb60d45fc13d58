import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Mark, MarkFilter, Marks } from '../../../src/exec-channel/marks.ts';

const markBytes = (marks: Marks, kind: 'started' | 'failed', value: number): Buffer => {
  const { stderr } = spawnSync('/bin/sh', ['-c', marks.print(kind, String(value))]);
  return stderr;
};

test('whatever way the stream is cut, the marks are found and everything after the first one passes unchanged', () => {
  const marks = new Marks();
  const [started, failed] = [markBytes(marks, 'started', 4711), markBytes(marks, 'failed', 127)];
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (before, after, cuts) => {
        const seen: Mark[] = [];
        const filter = new MarkFilter(marks, (mark) => seen.push(mark));
        const partial = marks.word.subarray(0, 7);
        const output = Buffer.concat([after, partial, Buffer.from('\u001e;')]);
        const stream = Buffer.concat([before, started, output, failed, output]);
        const passed: Buffer[] = [];
        for (let at = 0, index = 0; at < stream.length; index++) {
          const end = at + (cuts[index % cuts.length] ?? 1);
          passed.push(filter.push(stream.subarray(at, end)));
          at = end;
        }
        passed.push(filter.flush());
        expect(seen).toEqual([
          { kind: 'started', value: 4711 },
          { kind: 'failed', value: 127 },
        ]);
        expect(Buffer.concat(passed).equals(Buffer.concat([output, output]))).toBe(true);
      },
    ),
  );
});

test('output that is no beginning of a mark is never held back', () => {
  const marks = new Marks();
  const filter = new MarkFilter(marks, () => undefined);
  filter.push(markBytes(marks, 'started', 1));
  expect(filter.push(Buffer.from('prompt> ')).toString()).toBe('prompt> ');
});

test('a server that talks before the first mark fills no memory and hides no mark', () => {
  const marks = new Marks();
  const seen: Mark[] = [];
  const filter = new MarkFilter(marks, (mark) => seen.push(mark));
  for (let count = 0; count < 2_000; count++) expect(filter.push(Buffer.alloc(1_000, 'x')).length).toBe(0);
  filter.push(markBytes(marks, 'started', 3));
  expect(seen).toEqual([{ kind: 'started', value: 3 }]);
});

test('the program text does not hold the mark, so that a shell which prints its program makes none', () => {
  const marks = new Marks();
  expect(marks.print('started', '$$')).not.toContain(marks.word.toString());
});
