import { describe, expect, test } from 'vitest';
import { FrameScrubber } from '../../../src/sidecars/egress/frame-scrubber.ts';
import { matcherOf, Scrubber } from '../../../src/sidecars/egress/scrub.ts';
import { StageRefusal } from '../../../src/sidecars/egress/stages.ts';

const SECRET = 'sk-live-0123456789abcdefg';
const matcher = matcherOf([SECRET]);
const PING = frame(9, true, 'ping');

describe('a credential that a server cuts into frames', () => {
  const halves = Buffer.concat([frame(1, false, `a${SECRET.slice(0, 9)}`), PING, frame(0, true, `${SECRET.slice(9)}b`)]);
  const single = Buffer.concat(Array.from(SECRET, (character, at) => frame(at === 0 ? 1 : 0, at === SECRET.length - 1, character)));

  test.each([
    ['two frames', halves],
    ['frames of one byte', single],
  ])('passes a search of the bytes on the wire: %s', (_how, frames) => {
    const scrubber = new Scrubber(matcher);
    expect(payloadOf(Buffer.concat([scrubber.push(frames), scrubber.end()]))).toContain(SECRET);
  });

  test.each([
    ['two frames', halves, 1],
    ['two frames that come byte by byte', halves, 0],
    ['frames of one byte', single, 1],
    ['two messages', Buffer.concat([frame(1, true, SECRET.slice(0, 12)), frame(1, true, SECRET.slice(12))]), 1],
    ['pings', Buffer.concat([frame(9, true, SECRET.slice(0, 12)), frame(1, true, 'x'), frame(9, true, SECRET.slice(12))]), 1],
  ])('does not pass, and every frame keeps its length: %s', (_how, frames, whole) => {
    const scrubber = new FrameScrubber(matcher);
    const chunks = whole === 1 ? [frames] : Array.from(frames, (byte) => Buffer.of(byte));
    const passed = Buffer.concat([...chunks.map((chunk) => scrubber.push(chunk)), scrubber.end()]);
    expect(passed).toHaveLength(frames.length);
    expect(payloadOf(passed, true)).not.toContain(SECRET.slice(5));
    expect(payloadOf(passed, true)).toMatch(/\*{12}/);
  });
});

test('honest frames pass as they are, and none waits for the next one', () => {
  const scrubber = new FrameScrubber(matcher);
  for (const bytes of [frame(1, true, 'ends with sk-li'), PING, frame(2, true, 'x'.repeat(300)), frame(8, true, '')])
    expect(scrubber.push(bytes)).toEqual(bytes);
  expect(scrubber.end()).toHaveLength(0);
});

test('what cannot be searched ends the connection: masked, extended, endless small pieces', () => {
  const masked = Buffer.of(0x81, 0x81, 1, 2, 3, 4, 0x60);
  const compressed = frame(1, true, 'x');
  compressed[0] = 0xc1;
  const pieces = Buffer.concat([frame(1, false, SECRET.slice(0, 20)), ...Array<Buffer>(60_000).fill(PING)]);
  for (const bytes of [masked, compressed, pieces]) expect(() => new FrameScrubber(matcher).push(bytes)).toThrow(StageRefusal);
});

function frame(opcode: number, isLast: boolean, text: string): Buffer {
  const length = text.length < 126 ? Buffer.of(text.length) : Buffer.of(126, text.length >> 8, text.length & 0xff);
  return Buffer.concat([Buffer.of((isLast ? 0x80 : 0) | opcode), length, Buffer.from(text)]);
}

/** The payload of short frames, without that of control frames unless asked for. */
function payloadOf(bytes: Buffer, withControl = false): string {
  let [text, control] = ['', ''];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at + 1] ?? 0;
    const payload = bytes.subarray(at + 2, at + 2 + length).toString('latin1');
    if (((bytes[at] ?? 0) & 0x08) === 0) text += payload;
    else control += payload;
    at += 2 + length;
  }
  return withControl ? `${text}|${control}` : text;
}
