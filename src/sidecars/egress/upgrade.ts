import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { http } from '../../core/node-http.ts';
import { createStages, type Stages } from './create-stages.ts';
import { type Denied, deny } from './decide.ts';
import type { ForwardPlan } from './exchange.ts';
import { FrameScrubber } from './frame-scrubber.ts';
import { returnedHeaders } from './headers.ts';
import { rawRefusal } from './refusal.ts';
import { type SpliceFilters, splice } from './splice.ts';
import { areSearched, type ResponseStage, StageRefusal, scrubOf, transformOf } from './stages.ts';
import type { Transport } from './transport.ts';
import { UpstreamError } from './upstream-error.ts';

export interface UpgradeOptions {
  readonly transport: Transport;
  readonly plan: ForwardPlan;
  readonly onFailure: (denied: Denied, detail: string) => void;
}

/** Asks the upstream for a WebSocket and joins both ends; `head` is what the client sent after its request. */
export function relayUpgrade(client: Duplex, head: Buffer, { transport, plan, onFailure }: UpgradeOptions): void {
  const stages = createStages(plan);
  const isSearched = plan.watch !== undefined || areSearched([...stages.request, ...stages.response]);
  // Compressed frames could carry the credential unseen
  const headers = !isSearched ? plan.headers : plan.headers.filter(([name]) => name !== 'sec-websocket-extensions');
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
  transport.dispatch(
    { method: 'GET', path: plan.requestTarget, headers, body: null, upgrade: 'websocket' },
    {
      onRequestStart: (flow) => {
        client.once('close', () => {
          if (!settled) flow.abort(new Error('the client went away'));
        });
      },
      onRequestUpgrade: (_controller, status, answer, socket) => {
        settled = true;
        client.write(switchingHead(status, answer, stages.response));
        if (head.length > 0) client.unshift(head);
        const filters = filtersOf(stages, plan);
        for (const filter of [...filters.up, ...filters.down])
          filter.on('error', (error) => {
            if (error instanceof StageRefusal) onFailure(error.denied, error.denied.detail ?? error.message);
          });
        splice(client, socket, filters);
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

function switchingHead(status: number, answer: IncomingHttpHeaders, stages: readonly ResponseStage[]): string {
  const flat = returnedHeaders(answer, scrubOf(stages));
  const lines = [`HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}`, 'connection: Upgrade', 'upgrade: websocket'];
  for (let at = 0; at + 1 < flat.length; at += 2) lines.push(`${flat[at]}: ${flat[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Stages give as many bytes as they take, so frames keep their length. */
function filtersOf({ request, response }: Stages, { watch, scrub }: ForwardPlan): Required<SpliceFilters> {
  const counted = request.length === 0 ? [] : [transformOf(request)];
  const counting = response.filter(({ countsOnly }) => countsOnly === true);
  const down = [...counting, ...(scrub === undefined ? [] : [new FrameScrubber(scrub)])];
  return { up: [...(watch === undefined ? [] : [watch.frames()]), ...counted], down: down.length === 0 ? [] : [transformOf(down)] };
}
