import type { ToolResult, Turn } from './language.js';

/**
 * A tool's answer as Codex 0.169 words it. A command that still runs is not an answer yet: the model asks again, with `write_stdin`
 * for a session of `exec_command`, with `wait` for a cell of `exec`.
 */
export interface CodexResult extends ToolResult {
  pending: { tool: 'write_stdin'; sessionId: number } | { tool: 'wait'; cellId: string } | null;
}

/** A turn whose results may still be pending. */
export interface CodexTurn extends Turn {
  results: CodexResult[];
}

/** Adds a result; the pieces of one command's output become one result. */
export function addResult(turn: CodexTurn | undefined, result: CodexResult): void {
  if (!turn) return;
  const before = turn.results.at(-1);
  if (before?.pending) turn.results[turn.results.length - 1] = { ...result, text: before.text + result.text };
  else turn.results.push(result);
}

/**
 * Reads an output. Both tools write a head (`Process exited with code 0`, `Script completed`, …) that ends with `Output:`; the script
 * of `exec` prints the command's own head below that of the tool. Only heads are searched: the output is anybody's text.
 */
export function resultOf(tool: string, text: string): CodexResult {
  const outer = splitHead(text);
  const inner = outer.output.startsWith('Process exited with code')
    ? splitHead(outer.output)
    : { head: '', output: outer.output };
  const head = `${outer.head}\n${inner.head}`;
  return {
    tool,
    text: inner.output,
    failed: /exited with code [1-9]\d*/.test(head) || /^Script (failed|error)/m.test(head),
    pending: pendingOf(head),
  };
}

function splitHead(text: string): { head: string; output: string } {
  const found = /^([\s\S]*?)^Output:\n/m.exec(text);
  if (!found) return { head: '', output: text };
  return { head: found[1] ?? '', output: text.slice(found[0].length).replace(/^\n/, '') };
}

function pendingOf(head: string): CodexResult['pending'] {
  const session = /Process running with session ID (\d+)/.exec(head)?.[1];
  if (session !== undefined) return { tool: 'write_stdin', sessionId: Number(session) };
  const cell = /Script running with cell ID (\S+)/.exec(head)?.[1];
  return cell === undefined ? null : { tool: 'wait', cellId: cell };
}
