import { chmod } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { isTerokError, messageOf } from '../../core/errors.ts';
import type { EgressPolicy } from '../../core/index.ts';
import type { AnswerHold } from '../egress/index.ts';

export type ControlRequest =
  | { readonly command: 'status' }
  | { readonly command: 'setPolicy'; readonly policy: EgressPolicy }
  | { readonly command: 'questions' }
  | { readonly command: 'answer'; readonly id: string; readonly allow: boolean; readonly hold?: AnswerHold }
  | { readonly command: 'forgetAnswers' }
  | { readonly command: 'resume' }
  | { readonly command: 'shutdown' };

export type ControlReply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string; readonly hint?: string } };

/** A policy of some thousand routes fits. */
export const MAX_CONTROL_LINE_BYTES = 4 * 1024 * 1024;

/** Serves requests as JSON lines on a unix socket; only its owner can connect. */
export function serveControl(file: string, handle: (request: ControlRequest) => Promise<unknown>): Promise<Server> {
  const server = createServer((socket) => serveLines(socket, handle));
  return listenUnix(server, file);
}

/** Only the owner of the process can connect; its umask keeps others out until the mode is set. */
export async function listenUnix(server: Server, file: string): Promise<Server> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(file, resolve);
  });
  await chmod(file, 0o600);
  return server;
}

function serveLines(socket: Socket, handle: (request: ControlRequest) => Promise<unknown>): void {
  let pending = '';
  let last: Promise<void> = Promise.resolve();
  socket.on('error', () => socket.destroy());
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    pending += chunk;
    if (pending.length > MAX_CONTROL_LINE_BYTES) return void socket.destroy();
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) last = last.then(async () => void socket.write(`${JSON.stringify(await reply(line, handle))}\n`));
  });
}

async function reply(line: string, handle: (request: ControlRequest) => Promise<unknown>): Promise<ControlReply> {
  try {
    return { ok: true, result: (await handle(JSON.parse(line) as ControlRequest)) ?? null };
  } catch (error) {
    if (!isTerokError(error)) return { ok: false, error: { code: 'GATEWAY_FAILED', message: messageOf(error) } };
    return { ok: false, error: { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) } };
  }
}
