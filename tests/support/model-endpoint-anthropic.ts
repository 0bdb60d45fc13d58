import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { type ModelScript, sendEvents, sendJson } from './model-endpoint.ts';
import { nextCall } from './model-endpoint-tools.ts';

const request = z.object({
  model: z.string(),
  stream: z.boolean().default(false),
  tools: z.array(z.object({ name: z.string() })).default([]),
  messages: z.array(z.object({ content: z.union([z.string(), z.array(z.object({ type: z.string() }))]) })),
});

/** `POST /v1/messages`, streamed or not. */
export function answerAnthropic(body: unknown, response: ServerResponse, script: ModelScript): void {
  const { model, stream, tools, messages } = request.parse(body);
  const done = messages
    .flatMap(({ content }) => (typeof content === 'string' ? [] : content))
    .filter(({ type }) => type === 'tool_result').length;
  const call = nextCall(
    script,
    done,
    tools.map(({ name }) => name),
  );
  const block =
    call === undefined
      ? { type: 'text', text: script.farewell }
      : { type: 'tool_use', id: `toolu_${done}`, name: call.tool, input: call.input };
  const stopReason = call === undefined ? 'end_turn' : 'tool_use';
  const message = { id: `msg_${done}`, type: 'message', role: 'assistant', model, usage: { input_tokens: 10, output_tokens: 5 } };
  if (!stream) return sendJson(response, 200, { ...message, content: [block], stop_reason: stopReason, stop_sequence: null });
  const start = call === undefined ? { type: 'text', text: '' } : { ...block, input: {} };
  const delta =
    call === undefined
      ? { type: 'text_delta', text: script.farewell }
      : { type: 'input_json_delta', partial_json: JSON.stringify(call.input) };
  sendEvents(response, [
    { type: 'message_start', message: { ...message, content: [], stop_reason: null, stop_sequence: null } },
    { type: 'content_block_start', index: 0, content_block: start },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: stopReason, stop_sequence: null }, usage: { output_tokens: 5 } },
    { type: 'message_stop' },
  ] as readonly { type: string }[]);
}
