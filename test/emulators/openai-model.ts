import { piecesOf } from './bodies.js';
import { type Action, decide, numberedPieces, titleObject, titleOf, writeCommand } from './language.js';
import { offeredTools, turnsOf, type OfferedTool, type ResponsesRequest } from './openai-input.js';
import type { CodexResult } from './openai-results.js';

/** What the emulated GPT answers: one text (whole, or in pieces that wait for release), or one tool call. */
export type OpenaiReply =
  | { type: 'text'; pieces: string[]; slow: boolean }
  | { type: 'function_call' | 'custom_tool_call'; tool: OfferedTool; input: string };

/** The longest Codex lets a command run before it answers that it still runs. */
const YIELD_MILLISECONDS = 30_000;

/** The model: the same request always gives the same reply. */
export function replyTo(request: ResponsesRequest): OpenaiReply {
  const turns = turnsOf(request);
  const tools = offeredTools(request);
  if (tools.length === 0) {
    const title = titleFor(request, turns.at(-1)?.asked ?? '');
    if (title !== null) return text(title);
  }
  const poll = pollFor(turns.at(-1)?.results.at(-1)?.pending ?? null, tools);
  if (poll) return poll;
  return toReply(decide(turns, shellOf(tools) !== undefined), tools);
}

function toReply(action: Action, tools: readonly OfferedTool[]): OpenaiReply {
  switch (action.do) {
    case 'say':
      return text(action.text);
    case 'count':
      return { type: 'text', pieces: numberedPieces(action.pieces), slow: true };
    case 'shell':
      return shell(action.command, tools);
    case 'write':
      return shell(writeCommand(action.path, action.content), tools);
  }
}

/** A side request asks for a title: with a schema for the answer, or with the word in its instructions. Null for other requests. */
function titleFor({ text: wanted, instructions }: ResponsesRequest, asked: string): string | null {
  if (wanted?.format?.type === 'json_schema') return titleObject(wanted.format.schema ?? {}, asked);
  return /\btitle\b/i.test(instructions ?? '') ? titleOf(asked) : null;
}

/** Models that Codex does not know are offered `exec_command`; its own ones get `exec`, which runs JavaScript that may call it. */
function shellOf(tools: readonly OfferedTool[]): OfferedTool | undefined {
  return (
    tools.find(({ type, name }) => type === 'function' && name === 'exec_command') ??
    tools.find(({ type, name }) => type === 'custom' && name === 'exec')
  );
}

function shell(command: string, tools: readonly OfferedTool[]): OpenaiReply {
  const tool = shellOf(tools);
  if (!tool) return text(`I cannot run ${command}: no shell was offered.`);
  if (tool.type === 'custom') return { type: 'custom_tool_call', tool, input: scriptFor(command) };
  const input = JSON.stringify({ cmd: command, yield_time_ms: YIELD_MILLISECONDS });
  return { type: 'function_call', tool, input };
}

/** The JavaScript for `exec`: it prints the command's end in the words of `exec_command`, so that both are read the same way. */
function scriptFor(command: string): string {
  const args = JSON.stringify({ cmd: command, yield_time_ms: YIELD_MILLISECONDS });
  return [
    `let result = await tools.exec_command(${args});`,
    `let output = result.output;`,
    `while (result.exit_code === undefined && result.session_id !== undefined) {`,
    `  result = await tools.write_stdin({ session_id: result.session_id });`,
    `  output += result.output;`,
    `}`,
    `text('Process exited with code ' + result.exit_code + '\\nOutput:\\n' + output);`,
  ].join('\n');
}

function pollFor(pending: CodexResult['pending'], tools: readonly OfferedTool[]): OpenaiReply | null {
  const tool = tools.find(({ name }) => name === pending?.tool);
  if (!pending || !tool) return null;
  const input = pending.tool === 'wait' ? { cell_id: pending.cellId } : { session_id: pending.sessionId };
  return { type: 'function_call', tool, input: JSON.stringify(input) };
}

function text(whole: string): OpenaiReply {
  return { type: 'text', pieces: piecesOf(whole), slow: false };
}
