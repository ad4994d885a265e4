import { posix } from 'node:path';
import { piecesOf } from './bodies.js';
import { decide, numberedPieces, titleObject, titleOf, writeCommand, type Action } from './language.js';
import { turnsOf, workingDirectoryOf, type MessagesRequest } from './anthropic-messages.js';

/** What the emulated Claude answers: one text (whole, or in pieces that wait for release), or one tool call. */
export type AnthropicReply =
  { type: 'text'; pieces: string[]; slow: boolean } | { type: 'tool_use'; name: string; input: object };

/** The model: the same request always gives the same reply. */
export function replyTo(request: MessagesRequest): AnthropicReply {
  const turns = turnsOf(request.messages);
  if (request.tools.length === 0 && isTitleRequest(request)) return text(titleAnswer(request));
  const names = request.tools.map(({ name }) => name);
  const action = decide(turns, names.includes('Bash') || names.includes('Write'));
  return toReply(action, names, workingDirectoryOf(request));
}

function toReply(action: Action, tools: readonly string[], cwd: string | null): AnthropicReply {
  switch (action.do) {
    case 'say':
      return text(action.text);
    case 'count':
      return { type: 'text', pieces: numberedPieces(action.pieces), slow: true };
    case 'shell':
      return bash(action.command, tools);
    case 'write':
      // Write takes absolute paths only.
      if (tools.includes('Write') && (cwd !== null || posix.isAbsolute(action.path))) {
        const file = posix.resolve(cwd ?? '/', action.path);
        return { type: 'tool_use', name: 'Write', input: { file_path: file, content: action.content } };
      }
      return bash(writeCommand(action.path, action.content), tools);
  }
}

function bash(command: string, tools: readonly string[]): AnthropicReply {
  if (!tools.includes('Bash')) return text(`I cannot run ${command}: the Bash tool was not offered.`);
  return { type: 'tool_use', name: 'Bash', input: { command, description: 'Run what was asked' } };
}

function text(whole: string): AnthropicReply {
  return { type: 'text', pieces: piecesOf(whole), slow: false };
}

/** The CLI asks for a session's title in a request of its own: no tools, and a schema for the answer or the word in the system text. */
function isTitleRequest(request: MessagesRequest): boolean {
  return (
    request.output_config?.format !== undefined || /\btitle\b/i.test(JSON.stringify(request.system ?? ''))
  );
}

function titleAnswer(request: MessagesRequest): string {
  const format = request.output_config?.format;
  const asked = turnsOf(request.messages).at(-1)?.asked ?? '';
  if (format) return titleObject(format.schema, asked);
  return /json/i.test(JSON.stringify(request.system)) ? titleObject({}, asked) : titleOf(asked);
}
