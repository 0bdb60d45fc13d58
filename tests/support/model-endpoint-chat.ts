import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { type ModelScript, sendJson } from './model-endpoint.ts';
import { nextCall } from './model-endpoint-tools.ts';

const request = z.object({
  model: z.string(),
  stream: z.boolean().default(false),
  tools: z.array(z.object({ function: z.object({ name: z.string() }) })).default([]),
  messages: z.array(z.object({ role: z.string() })),
});

/** `POST /v1/chat/completions`, streamed or not. */
export function answerChat(body: unknown, response: ServerResponse, script: ModelScript): void {
  const { model, stream, tools, messages } = request.parse(body);
  const done = messages.filter(({ role }) => role === 'tool').length;
  const call = nextCall(
    script,
    done,
    tools.map((tool) => tool.function.name),
  );
  const toolCall = call && {
    index: 0,
    id: `call_${done}`,
    type: 'function',
    function: { name: call.tool, arguments: JSON.stringify(call.input) },
  };
  const message =
    toolCall === undefined ? { role: 'assistant', content: script.farewell } : { role: 'assistant', content: null, tool_calls: [toolCall] };
  const finish = toolCall === undefined ? 'stop' : 'tool_calls';
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  const head = { id: `chat_${done}`, created: 1, model };
  if (!stream)
    return sendJson(response, 200, { ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: finish }], usage });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = { ...head, object: 'chat.completion.chunk' };
  response.write(`data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta: message, finish_reason: null }] })}\n\n`);
  response.write(`data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: finish }], usage })}\n\n`);
  response.end('data: [DONE]\n\n');
}
