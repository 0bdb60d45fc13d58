import type { ServerResponse } from 'node:http';
import { http } from '../../core/node-http.ts';
import { cutResponse } from './cut-response.ts';
import type { Denied } from './decide.ts';
import { type FrontRequest, type FrontResponse, isHttp2 } from './front.ts';
import { headerList } from './headers.ts';
import { isGrpc } from './is-grpc.ts';
import { grpcRefusal, REFUSAL_STATUS, refusalBody, refusalHeaders } from './refusal.ts';

/** Answers a refused request; the connection goes on where its framing is certain. */
export function answerRefusal(request: FrontRequest, response: FrontResponse, refusal: Denied): void {
  if (response.headersSent || response.destroyed) {
    cutResponse(response);
    return;
  }
  if (isHttp2(response) && isGrpc({ headers: headerList(request.rawHeaders) })) {
    response.stream.respond(grpcRefusal(refusal), { endStream: true });
  } else {
    const body = refusalBody(refusal);
    writeRefusalHead(response, REFUSAL_STATUS[refusal.reason], refusalHeaders(refusal, body));
    (response as ServerResponse).end(body);
  }
  request.resume();
}

function writeRefusalHead(response: FrontResponse, status: number, headers: Readonly<Record<string, string>>): void {
  if (isHttp2(response)) response.writeHead(status, headers);
  else response.writeHead(status, http.STATUS_CODES[status] ?? 'Refused', Object.entries({ ...headers, connection: 'close' }).flat());
}
