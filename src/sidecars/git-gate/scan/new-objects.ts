/*
 * Scope: every object that a push brings, as a stream: each is announced, then given piece by piece. Memory does not grow with the push.
 * Out of scope: what the pieces hold. Fail-safe direction: what git does not deliver whole is an error.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { TerokError } from '../../../core/errors.ts';
import { type PushRange, rangeInput } from './push-range.ts';
import { type GitProgram, startGit } from './quarantine-git.ts';
import { readParts } from './read-lines.ts';

export type ObjectType = 'blob' | 'tree' | 'commit' | 'tag';

export interface NewObject {
  readonly id: string;
  readonly type: ObjectType;
  readonly size: number;
  /** Where git met it first, latin1, cut at a line break; empty for commits and top trees */
  readonly path: string;
}

export interface ObjectVisitor {
  /** Asked before anything of the object is read; throws to end the scan */
  wants(object: NewObject): boolean;
  /** A piece; `last` is true with the last one, which also comes for an empty object */
  onBytes(object: NewObject, bytes: Buffer, last: boolean): void;
  /** Called between pieces; git waits meanwhile */
  settle(): Promise<void>;
}

/** Visits all objects that can be reached from the tips and from no trusted commit. */
export async function visitNewObjects(range: PushRange, visitor: ObjectVisitor): Promise<void> {
  const list = startGit(['rev-list', '--objects', '--ignore-missing', '--stdin']);
  const check = startGit(['cat-file', '--buffer', '--batch-check=%(objectname) %(objecttype) %(objectsize) %(rest)']);
  const contents = startGit(['cat-file', '--buffer', '--batch=%(objectname) %(objecttype) %(objectsize) %(rest)']);
  const programs = [list, check, contents];
  try {
    list.input.end(rangeInput(range));
    list.output.pipe(check.input);
    const asked = askForContents(check, contents, visitor);
    // A failure of one ends the others, so that none waits for what does not come
    const stopAll = (): void => stopEach(programs);
    asked.catch(stopAll);
    for (const { ended } of programs) ended.catch(stopAll);
    await Promise.all([asked, readContents(contents.output, visitor), ...programs.map(({ ended }) => ended)]);
  } finally {
    stopEach(programs);
  }
}

function stopEach(programs: readonly GitProgram[]): void {
  for (const program of programs) program.stop();
}

async function askForContents(check: GitProgram, contents: GitProgram, visitor: ObjectVisitor): Promise<void> {
  for await (const line of readParts(check.output, 10)) {
    if (!visitor.wants(parseHeader(line))) continue;
    const [id = ''] = line.split(' ', 1);
    if (!contents.input.write(`${id}${line.slice(line.indexOf(' ', line.indexOf(' ', id.length + 1) + 1))}\n`, 'latin1'))
      await Promise.race([once(contents.input, 'drain'), contents.ended]);
  }
  contents.input.end();
}

function parseHeader(line: string): NewObject {
  const [, id, type, size, path = ''] = /^([0-9a-f]{40,64}) (blob|tree|commit|tag) (\d+)(?: ([^]*))?$/.exec(line) ?? [];
  if (id === undefined || type === undefined) throw new TerokError('GIT_FAILED', 'git did not find an object of the push.');
  return { id, type: type as ObjectType, size: Number(size), path };
}

/** `<header>\n<size bytes>\n` again and again. */
async function readContents(output: Readable, visitor: ObjectVisitor): Promise<void> {
  let header = Buffer.alloc(0);
  let current: NewObject | undefined;
  let left = 0;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      if (current === undefined) {
        const end = chunk.indexOf(10, at);
        header = Buffer.concat([header, chunk.subarray(at, end === -1 ? chunk.length : end)]);
        at = end === -1 ? chunk.length : end + 1;
        if (end === -1) continue;
        current = parseHeader(header.toString('latin1'));
        header = Buffer.alloc(0);
        left = current.size;
        if (left === 0) visitor.onBytes(current, chunk.subarray(0, 0), true);
      } else if (left > 0) {
        const bytes = chunk.subarray(at, at + left);
        left -= bytes.length;
        at += bytes.length;
        visitor.onBytes(current, bytes, left === 0);
      } else {
        current = undefined;
        at += 1;
      }
    }
    await visitor.settle();
  }
  if (current !== undefined && left > 0) throw new TerokError('GIT_FAILED', 'git ended in the middle of an object.');
}
