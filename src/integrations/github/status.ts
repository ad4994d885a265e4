import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ReplyContent } from '../../triggers/index.js';
import { line1 } from './line.js';
import { fitting, quiet } from '../markdown/quiet.js';

/** Longest body of a comment (github.md 6). */
export const MAX_BODY = 65_536;
const ROOM = 600;

/** How far an ask is, as its status comment and its check show it. */
export const statusSchema = z.object({
  /** The comment, once it is there. */
  commentId: z.string().nullable().default(null),
  checkId: z.string().nullable().default(null),
  /** The commit that the check is on: the one that was asked about. */
  checkSha: z.string().nullable().default(null),
  state: z.enum(['working', 'answered', 'failed', 'stopped']).default('working'),
  workspaceUrl: z.string().nullable().default(null),
  /** As whom and with what. */
  by: z.string().nullable().default(null),
  step: z.string().nullable().default(null),
  plan: z.array(z.object({ content: z.string(), status: z.string() })).default([]),
});
export type Status = z.output<typeof statusSchema>;

/** The status after a reply was said. Null: it changes nothing there. */
export function advance(status: Status, content: ReplyContent, isPrivate: boolean): Status | null {
  switch (content.type) {
    case 'started':
      return {
        ...status,
        state: 'working',
        workspaceUrl: content.workspaceUrl,
        by: `${content.agent}, for ${content.member}`,
      };
    case 'progress':
      return workedOn(status, isPrivate ? stepOf(content) : publicStepOf(content));
    case 'plan':
      // Written by the agent for itself.
      return isPrivate ? { ...status, plan: content.items.slice(0, 30) } : null;
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

/** What a tool is given and what it found are paths, commands and the contents of files: where everybody reads, it is said that there is work, and not on what. */
function publicStepOf({ text, tool }: Extract<ReplyContent, { type: 'progress' }>): string {
  return tool ? 'It is being worked on.' : line1(text, 300);
}

/** What says the same once more is no news, and worth no call. */
function workedOn(status: Status, step: string): Status | null {
  return status.commentId !== null && status.step === step ? null : { ...status, step };
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

/** Whether a text is one of ours, whoever sent it. Not in a quotation, as mail programs make of it. */
export function bearsMark(text: string): boolean {
  return new RegExp(`^\\s*<!-- ${MARK}:[0-9a-f]{32} -->`).test(text);
}

/**
 * A body as it is sent: the mark first, where no open fence or comment of the text can swallow it; nobody called, and least of all ourselves; never longer than GitHub takes, and then
 * with the way to all of it.
 */
export function bodyOf(mark: string, text: string, slug: string, workspaceUrl: string | null): string {
  const whole = text.length <= MAX_BODY ? quiet(text, slug) : null;
  if (whole !== null && mark.length + 1 + whole.length <= MAX_BODY) return `${mark}\n${whole}`;
  // Cut before it is made quiet: of a code span whose end is cut off nothing is code any more.
  const kept = quiet(fitting(text, slug, MAX_BODY - ROOM - (workspaceUrl?.length ?? 0)), slug);
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

/** A text of one line, shown as it is: no Markdown, no HTML. */
export function plain(text: string): string {
  return line1(text, 1000).replace(/[\\`*_[\]<>#|~&]/g, '\\$&');
}
