import { type IncomingHttpHeaders, STATUS_CODES } from 'node:http';
import { type Duplex, Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import { type Denied, deny } from './decide.ts';
import type { ForwardPlan } from './exchange.ts';
import { returnedHeaders } from './headers.ts';
import { rawRefusal } from './refusal.ts';
import { Scrubber } from './scrub.ts';
import { splice } from './splice.ts';
import { UpstreamError } from './upstream.ts';

export interface UpgradeOptions {
  readonly dispatcher: Dispatcher;
  readonly plan: ForwardPlan;
  readonly onFailure: (denied: Denied, detail: string) => void;
}

/** Asks the upstream for a WebSocket and joins both ends; `head` is what the client sent after its request. */
export function relayUpgrade(client: Duplex, head: Buffer, { dispatcher, plan, onFailure }: UpgradeOptions): void {
  const scrubber = plan.secret === undefined ? undefined : new Scrubber(plan.secret);
  // Compressed frames could carry the credential unseen
  const headers = scrubber === undefined ? plan.headers : plan.headers.filter(([name]) => name !== 'sec-websocket-extensions');
  let settled = false;
  const fail = (detail: string, reason: Denied['reason'] = 'upstream-failed'): void => {
    if (settled) return;
    settled = true;
    const refusal = deny(
      reason,
      `\`${plan.target.name}\` did not open the WebSocket`,
      'Try again; `terok doctor` on the host checks the network.',
    );
    onFailure(refusal, detail);
    if (client.writable) client.end(rawRefusal(refusal), () => client.destroy());
    else client.destroy();
  };
  dispatcher.dispatch(
    { method: 'GET', path: plan.requestTarget, headers: headers.flat(), upgrade: 'websocket' },
    {
      onRequestStart: () => undefined,
      onRequestUpgrade: (_controller, status, answer, socket) => {
        settled = true;
        client.write(switchingHead(status, answer, scrubber));
        if (head.length > 0) client.unshift(head);
        splice(client, socket, scrubber === undefined ? undefined : scrubbing(scrubber));
      },
      onResponseStart: (controller, status) => {
        if (status < 200) return;
        fail(`the server answered ${status}`);
        controller.abort(new Error('not upgraded'));
      },
      onResponseData: () => undefined,
      onResponseEnd: () => fail('the server did not upgrade'),
      onResponseError: (_controller, error) => fail(error.message, error instanceof UpstreamError ? error.reason : 'upstream-failed'),
    },
  );
}

function switchingHead(status: number, answer: IncomingHttpHeaders, scrubber: Scrubber | undefined): string {
  const flat = returnedHeaders(answer, (value) => scrubber?.text(value) ?? value);
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'connection: Upgrade', 'upgrade: websocket'];
  for (let at = 0; at + 1 < flat.length; at += 2) lines.push(`${flat[at]}: ${flat[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Masks the secret by as many other bytes, so frames keep their length. */
function scrubbing(scrubber: Scrubber): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, scrubber.push(chunk)),
    flush: (done) => done(null, scrubber.end()),
  });
}
