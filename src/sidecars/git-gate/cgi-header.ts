/*
 * Scope: the header block that `git http-backend` writes before its body. Out of scope: the body.
 * Fail-safe direction: a block that is too long or malformed is an error; only headers of a short list pass.
 */
import { TerokError } from '../../core/errors.ts';
import { LIMITS } from './limits.ts';

export interface CgiHeader {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body that came with the block */
  readonly rest: Buffer;
}

const PASSED = new Set(['content-type', 'cache-control', 'expires', 'pragma']);

/** The parsed block, or undefined while its end has not come; throws GIT_FAILED where it is malformed. */
export function parseCgiHeader(bytes: Buffer): CgiHeader | undefined {
  const end = findEnd(bytes);
  if (end === undefined) {
    if (bytes.length <= LIMITS.headerBytes) return undefined;
    throw malformed(`no end within ${LIMITS.headerBytes} bytes`);
  }
  let status = 200;
  const headers: Record<string, string> = {};
  for (const line of bytes.subarray(0, end.at).toString('latin1').split(/\r?\n/)) {
    const [, name, value] = /^([A-Za-z][A-Za-z0-9-]*):[ \t]*([\x20-\x7e]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw malformed('a line that is no header');
    if (name.toLowerCase() === 'status') status = parseStatus(value);
    else if (PASSED.has(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  return { status, headers, rest: bytes.subarray(end.at + end.length) };
}

function findEnd(bytes: Buffer): { at: number; length: number } | undefined {
  const ends = ['\r\n\r\n', '\n\n'].map((mark) => ({ at: bytes.indexOf(mark), length: mark.length }));
  return ends.filter(({ at }) => at !== -1 && at <= LIMITS.headerBytes).sort((one, other) => one.at - other.at)[0];
}

function parseStatus(value: string): number {
  const status = Number(/^([1-5]\d\d)(?: |$)/.exec(value)?.[1]);
  if (status >= 200) return status;
  throw malformed('a status outside of 200 to 599');
}

function malformed(problem: string): TerokError {
  return new TerokError('GIT_FAILED', `The answer of \`git http-backend\` has ${problem}.`);
}
