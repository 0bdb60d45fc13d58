import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { type ModelScript, sendEvents, sendJson } from './model-endpoint.ts';
import { nextCall, type ToolCall } from './model-endpoint-tools.ts';

const tool = z.object({ type: z.string(), name: z.string().optional() });

const request = z.object({
  model: z.string(),
  stream: z.boolean().default(false),
  tools: z.array(tool).default([]),
  input: z.union([
    z.string(),
    z.array(z.object({ type: z.string().optional(), tools: z.array(tool.extend({ tools: z.array(tool).default([]) })).optional() })),
  ]),
});

/** `POST /v1/responses` of OpenAI, streamed or not. */
export function answerResponses(body: unknown, response: ServerResponse, script: ModelScript): void {
  const { model, stream, tools, input } = request.parse(body);
  const items = typeof input === 'string' ? [] : input;
  const done = items.filter(({ type }) => type === 'function_call_output' || type === 'custom_tool_call_output').length;
  const additional = items.flatMap((item) => item.tools ?? []).flatMap((space) => [space, ...space.tools]);
  const offered = [...tools, ...additional].flatMap(({ type, name }) =>
    (type === 'function' || type === 'custom') && name !== undefined ? [name] : [],
  );
  const call = nextCall(script, done, offered);
  const item = call === undefined ? farewell(script.farewell, done) : toolCall(call, done);
  const usage = {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 15,
  };
  const whole = { id: `resp_${done}`, object: 'response', created_at: 1, model, status: 'completed', output: [item], usage };
  if (!stream) return sendJson(response, 200, whole);
  const events: { type: string; [key: string]: unknown }[] = [
    { type: 'response.created', response: { ...whole, status: 'in_progress', output: [], usage: null } },
    { type: 'response.output_item.added', output_index: 0, item },
    ...(call === undefined
      ? [{ type: 'response.output_text.delta', item_id: item.id, output_index: 0, content_index: 0, delta: script.farewell }]
      : []),
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: whole },
  ];
  sendEvents(response, events);
}

function farewell(text: string, done: number): { id: string; type: string; [key: string]: unknown } {
  return {
    type: 'message',
    id: `msg_${done}`,
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
  };
}

/** Newer models of Codex have one tool, `exec`, which takes a program that calls the other tools. */
function toolCall({ tool: name, input }: ToolCall, done: number): { id: string; type: string; [key: string]: unknown } {
  const head = { id: `fc_${done}`, call_id: `call_${done}`, status: 'completed' };
  if (name !== 'exec') return { ...head, type: 'function_call', name, arguments: JSON.stringify(input) };
  return {
    ...head,
    type: 'custom_tool_call',
    name,
    input: `const result = await tools.exec_command(${JSON.stringify(input)});\ntext(result);\n`,
  };
}
