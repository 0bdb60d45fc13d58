import { createConnection } from 'node:net';
import { ERROR_EXIT_STATUS, type ErrorCode, TerokError } from '../../core/index.ts';
import { patient } from '../../core/patience.ts';
import { type ControlReply, type ControlRequest, MAX_CONTROL_LINE_BYTES } from './control-server.ts';

/** A gateway answers at once; one that does not hangs. */
const REPLY_MS = patient(10_000);

/** Sends one request to a gateway. Rejects with the system error where nobody listens, with a `TerokError` where the gateway refuses. */
export function askGateway(socketFile: string, request: ControlRequest, timeoutMs: number = REPLY_MS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection(socketFile, () => socket.write(`${JSON.stringify(request)}\n`));
    const fail = (reason: string): void => {
      reject(new TerokError('GATEWAY_FAILED', `The gateway did not answer \`${request.command}\`: ${reason}.`));
      socket.destroy();
    };
    socket.setTimeout(timeoutMs, () => fail(`nothing within ${timeoutMs} ms`));
    socket.once('error', reject).once('close', () => fail('it closed the connection'));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > MAX_CONTROL_LINE_BYTES) return fail('the answer is too long');
      if (!text.endsWith('\n')) return;
      settle(JSON.parse(text) as ControlReply, resolve, reject);
      socket.destroy();
    });
  });
}

function settle(reply: ControlReply, resolve: (result: unknown) => void, reject: (error: Error) => void): void {
  if (reply.ok) return resolve(reply.result);
  const { code, message, hint } = reply.error;
  reject(new TerokError(isErrorCode(code) ? code : 'GATEWAY_FAILED', message, hint === undefined ? {} : { hint }));
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_EXIT_STATUS, code);
}
