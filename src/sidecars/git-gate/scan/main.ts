/*
 * The pre-receive scanner: a process of its own between `git receive-pack` and the refs. Standard input: the lines of the hook.
 * Standard error goes to the terminal of the one who pushed. Exit status: 0 takes the push, anything else refuses it.
 */
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { messageOf } from '../../../core/errors.ts';
import { judgePush } from './judge-push.ts';
import { isPushError } from './push-error.ts';
import type { ScanJob } from './scan-job.ts';
import { SCAN_LIMITS } from './scan-limits.ts';

process.umask(0o077);
const timer = setTimeout(() => {
  say(['terok: the check of this push took too long; nothing of it was taken. Push in smaller parts.']);
  process.exit(1);
}, SCAN_LIMITS.scanMs);

try {
  const job = JSON.parse(process.env.TEROK_SCAN ?? '') as ScanJob;
  delete process.env.TEROK_SCAN;
  const { summary, lines } = await judgePush(job, await text(process.stdin));
  writeFileSync(job.summaryFile, JSON.stringify(summary), { mode: 0o600 });
  say(lines);
  process.exitCode = summary.outcome === 'refused' ? 1 : 0;
} catch (error) {
  // A limit is the pusher's to know; anything else is the host's, whose paths stay there
  const reason = isPushError(error) ? `${messageOf(error)}. ${error.hint ?? ''}` : 'the gate could not check this push.';
  say(['terok: nothing of this push was taken:', `terok:   ${reason.trim()}`]);
  if (!isPushError(error)) say(['terok: The person who runs this task finds the cause in the log of the gate.']);
  noteFailure(messageOf(error));
  process.exitCode = 1;
} finally {
  clearTimeout(timer);
}

function say(lines: readonly string[]): void {
  if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
}

function noteFailure(message: string): void {
  const file = process.env.TEROK_SCAN_FAILURE;
  if (file !== undefined) writeFileSync(file, message, { mode: 0o600 });
}
