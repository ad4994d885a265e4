import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ReplyContent } from '../../triggers/index.js';
import { line1 } from './prompt.js';

/** Longest body of a comment (github.md 6). */
export const MAX_BODY = 65_536;
const ROOM = 600;

/** How far an ask is, as its status comment and its check show it. */
export const statusSchema = z.object({
  /** The comment, once it is there. */
  commentId: z.string().nullable().default(null),
  checkId: z.string().nullable().default(null),
  state: z.enum(['working', 'answered', 'failed', 'stopped']).default('working'),
  workspaceUrl: z.string().nullable().default(null),
  /** As whom and with what. */
  by: z.string().nullable().default(null),
  step: z.string().nullable().default(null),
  plan: z.array(z.object({ content: z.string(), status: z.string() })).default([]),
});
export type Status = z.output<typeof statusSchema>;

/** The status after a reply was said. Null: it changes nothing there. */
export function advance(status: Status, content: ReplyContent): Status | null {
  switch (content.type) {
    case 'started':
      return {
        ...status,
        state: 'working',
        workspaceUrl: content.workspaceUrl,
        by: `${content.agent}, for ${content.member}`,
      };
    case 'progress':
      return { ...status, step: stepOf(content) };
    case 'plan':
      return { ...status, plan: content.items.slice(0, 30) };
    case 'authentication':
      return { ...status, step: content.state === 'restored' ? null : line1(content.text, 300) };
    case 'answer':
      return { ...status, state: 'answered', step: null };
    case 'failed':
      return { ...status, state: 'failed', step: null };
    case 'stopped':
      return { ...status, state: 'stopped', step: null };
    default:
      return null;
  }
}

function stepOf({ text, tool }: Extract<ReplyContent, { type: 'progress' }>): string {
  return line1(tool ? `${tool.name} ${tool.parameter}` : text, 300);
}

/** The status comment while there is no answer. */
export function workingBody({ workspaceUrl, by, step, plan }: Status): string {
  const who = by === null ? '' : ` (${plain(by)})`;
  const where = workspaceUrl === null ? '' : ` — [workspace](${workspaceUrl})`;
  const items = plan.map(
    ({ content, status }) => `- [${status === 'completed' ? 'x' : ' '}] ${plain(content)}`,
  );
  return [
    `Working on it${who}.${where}`,
    ...(items.length > 0 ? [items.join('\n')] : []),
    ...(step ? [`> ${plain(step)}`] : []),
  ].join('\n\n');
}

const MARK = 'berth';

/**
 * An invisible mark in a comment, by which it is found again when the answer to making it was lost. Nobody can write it in advance: the conversation's id is known to Berth alone.
 */
export function markOf(...parts: string[]): string {
  const hash = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
  return `<!-- ${MARK}:${hash} -->`;
}

/**
 * A body as it is sent: the mark first, where no open fence or comment of the text can swallow it; nobody called, and least of all ourselves; never longer than GitHub takes, and then
 * with the way to all of it.
 */
export function bodyOf(mark: string, text: string, slug: string, workspaceUrl: string | null): string {
  const silent = withoutCalls(text, slug);
  if (mark.length + 1 + silent.length <= MAX_BODY) return `${mark}\n${silent}`;
  const kept = silent.slice(0, MAX_BODY - ROOM - (workspaceUrl?.length ?? 0)).replace(/\p{Surrogate}$/u, '');
  const more = workspaceUrl === null ? '' : ` — all of it is [in the workspace](${workspaceUrl})`;
  return `${mark}\n${kept}${openFenceOf(kept)}\n\n… (shortened${more})`;
}

/** What ends the fence that a text has left open. */
function openFenceOf(text: string): string {
  let open = '';
  for (const [, fence = ''] of text.matchAll(/^ {0,3}(`{3,}|~{3,})/gm)) {
    if (open === '') open = fence;
    else if (fence.startsWith(open)) open = '';
  }
  return open === '' ? '' : `\n${open}`;
}

/**
 * A text in which nobody is called: GitHub tells people and teams of a mention, and an agent's words may hold the names of anybody. An invisible character (word joiner) after the `@` of a name;
 * code stays as it is, since nothing in it calls. Our own name not even there, and in no other spelling.
 */
export function withoutCalls(text: string, slug: string): string {
  let fence = '';
  const lines = text.split('\n').map((line) => {
    const mark = /^\s{0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? '';
    if (mark !== '' && (fence === '' || mark.startsWith(fence))) fence = fence === '' ? mark : '';
    return fence === '' ? silentLine(line) : line;
  });
  const own = new RegExp(`@(?=${slug.replace(/[^A-Za-z0-9-]/g, '')})`, 'gi');
  return lines.join('\n').replace(own, `@${JOINER}`);
}

const JOINER = '\u2060';

function silentLine(line: string): string {
  return line.replace(CODE_OR_CALL, (found: string, code?: string) =>
    code === undefined ? found + JOINER : found,
  );
}

/** A code span, between two equal runs of backticks; or an `@` that may begin a name, however both are written. */
const CODE_OR_CALL =
  /(?<!`)(`+)(?!`)[^]*?(?<!`)\1(?!`)|(?<![A-Za-z0-9_])(?:@|&(?:#0*64|#x0*40|commat);)(?=[A-Za-z0-9&])/gi;

/** A text of one line, shown as it is: no Markdown, no HTML. */
export function plain(text: string): string {
  return line1(text, 1000).replace(/[\\`*_[\]<>#|~&]/g, '\\$&');
}
