import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Output, writeAll } from '../../../src/cli/terminal/output.ts';

interface Captured {
  readonly stream: NodeJS.WriteStream;
  text(): string;
}

function capture(terminal: boolean, highWaterMark = 65_536): Captured {
  const stream = Object.assign(new PassThrough({ highWaterMark }), { isTTY: terminal, columns: 80, rows: 24 });
  const chunks: string[] = [];
  if (highWaterMark > 1) stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => chunks.join('') };
}

function makeOutput(options: { readonly terminal?: boolean; readonly quiet?: boolean; readonly env?: NodeJS.ProcessEnv }) {
  const [stdout, stderr] = [capture(options.terminal ?? false), capture(options.terminal ?? false)];
  const output = new Output({ stdout: stdout.stream, stderr: stderr.stream }, options.env ?? {}, options.quiet ?? false);
  return { output, stdout, stderr };
}

test('colour is for terminals alone, and not where NO_COLOR is set', () => {
  expect(makeOutput({ terminal: true }).output.paint('red', 'x')).toBe('\u001b[31mx\u001b[39m');
  expect(makeOutput({ terminal: true, env: { NO_COLOR: '1' } }).output.paint('red', 'x')).toBe('x');
  expect(makeOutput({ terminal: true, env: { TERM: 'dumb' } }).output.paint('red', 'x')).toBe('x');
  expect(makeOutput({}).output.paint('red', 'x')).toBe('x');
});

test('progress is plain lines away from a terminal, with hostile text shown as codes', () => {
  const { output, stderr } = makeOutput({});
  output.progress.show('cloning \u001b[2J');
  output.progress.show('cloning \u001b[2J');
  output.progress.show('starting');
  expect(stderr.text()).toBe('terok: cloning \\u{1b}[2J\nterok: starting\n');
});

test('on a terminal the moving line is cleared before a result', () => {
  const { output, stderr, stdout } = makeOutput({ terminal: true });
  output.progress.show('starting');
  output.print('result');
  expect(stderr.text()).toMatch(/starting\r\u001b\[K$/);
  expect(stdout.text()).toBe('result\n');
});

test('--quiet leaves results and drops progress and remarks', () => {
  const { output, stdout, stderr } = makeOutput({ quiet: true });
  output.progress.show('starting');
  output.remark('by the way');
  output.print('result');
  expect([stdout.text(), stderr.text()]).toEqual(['result\n', '']);
});

test('the cells of a table are escaped and aligned', () => {
  const { output, stdout } = makeOutput({});
  output.printTable(
    ['TASK', 'SOURCE'],
    [
      ['shop', '/a\nb'],
      ['a-long-name', '/c'],
    ],
    'none',
  );
  expect(stdout.text()).toBe('TASK         SOURCE\nshop         /a\\nb\na-long-name  /c\n');
});

test('a slow reader holds the writer back, and a reader that leaves lets it go', async () => {
  const { stream } = capture(false, 1);
  const events: string[] = [];
  const first = writeAll(stream, 'xxxx').then(() => events.push('written'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(events).toEqual([]);
  stream.destroy();
  await first;
  expect(events).toEqual(['written']);
});
