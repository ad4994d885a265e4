import { styleText } from 'node:util';
import { shortId } from '../kernel/index.js';
import type { Message, Workspace, WorkspaceEvent } from './wire.js';

// C0 without tab and newline, DEL, C1, and the marks that turn the direction of writing.

const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text that others wrote, safe to show: an escape sequence in an agent's answer could rewrite the screen or fill the clipboard. Tabs and newlines stay.
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(unprintable, '');
}

/** The same on one line. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/g, ' ').trim();
}

/** JSON that a terminal shows and does not obey; still the same JSON. */
export function jsonText(value: unknown, indent?: number): string {
  return printableJson(JSON.stringify(value, null, indent));
}

/** The same of JSON that is text already, or a piece of it. */
export function printableJson(json: string): string {
  return json.replaceAll(
    unprintable,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Rows under a heading, columns aligned by spaces; no trailing blanks, so that output can be compared and cut. */
export function table(heading: string[], rows: string[][]): string {
  const cells = [heading, ...rows.map((row) => row.map(oneLine))];
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** A table of workspaces. Ids are shown in full when two of them end alike. */
export function workspaceTable(workspaces: Workspace[]): string {
  const short = new Set(workspaces.map(({ id }) => shortId(id)));
  const idOf = short.size === workspaces.length ? shortId : (id: string) => id;
  return table(
    ['ID', 'NAME', 'STATE', 'AGENT', 'REPOSITORY', 'OWNER', 'LAST ACTIVITY'],
    workspaces.map((workspace) => [
      idOf(workspace.id),
      workspace.name ?? '-',
      workspace.state,
      workspace.agent ?? '-',
      workspace.repository ?? '-',
      workspace.owner?.name ?? '-',
      timeText(workspace.lastActivityAt ?? workspace.createdAt ?? null),
    ]),
  );
}

/** One workspace, a line for each fact that is there. */
export function workspaceDetails(workspace: Workspace): string {
  const credential = workspace.credential;
  const all: [string, string | null | undefined][] = [
    ['id', workspace.id],
    ['name', workspace.name],
    ['state', workspace.stateReason ? `${workspace.state}: ${workspace.stateReason}` : workspace.state],
    ['wanted', workspace.desiredState],
    ['repository', workspace.repository],
    ['ref', workspace.ref],
    ['branch', workspace.branch],
    ['agent', workspace.agent],
    ['model', workspace.model],
    ['authentication', workspace.authentication],
    ['credential', credential ? `${credential.kind} (${credential.scope})` : null],
    [
      'owner',
      workspace.owner ? [workspace.owner.name, workspace.owner.email].filter(Boolean).join(', ') : null,
    ],
    ['pull request', workspace.pullRequestUrl],
    ['created', workspace.createdAt],
    ['last activity', workspace.lastActivityAt],
  ];
  return facts(all);
}

/** A line for each fact that is there, the values in a column. */
export function facts(all: [string, string | null | undefined][]): string {
  const known = all.filter((fact): fact is [string, string] => typeof fact[1] === 'string' && fact[1] !== '');
  const width = Math.max(...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${oneLine(value)}\n`).join('');
}

/** `message 7 is queued`, and why it ended when it did. */
export function messageLine(message: Message): string {
  const error = message.error ? `: ${message.error.message}` : '';
  return `${oneLine(`message ${message.seq} is ${message.state}${error}`)}\n`;
}

/** Width of the longest type the contract names, so that texts stand in a column. */
const typeWidth = 'authentication.state'.length;

/** One event for people: time, type, text. Further lines of the text are set under its first. */
export function eventLine(event: WorkspaceEvent, color: boolean): string {
  const head = `${timeText(event.at)}  ${oneLine(event.type).padEnd(typeWidth)}  `;
  const text = printable(eventText(event))
    .replace(/\n+$/, '')
    .replaceAll('\n', `\n${' '.repeat(head.length)}`);
  return `${(color ? styleText('dim', head, { validateStream: false }) + text : head + text).trimEnd()}\n`;
}

/** Of these one field says all. */
const soleField: Partial<Record<string, string>> = {
  'budget.state': 'message',
  'egress.blocked': 'message',
  'git.failed': 'message',
  'pull_request.opened': 'url',
};

/** What an event says, by its type; an unknown type shows its data. */
export function eventText({ type, data }: WorkspaceEvent): string {
  const say = (...names: string[]): string[] =>
    names.map((name) => textOf(data[name])).filter((text): text is string => text !== null);
  switch (type) {
    case 'conversation.state':
    case 'workspace.state':
      return say('state', 'reason', 'stateReason').join(': ');
    case 'message.state':
      return [...say('state'), ...errorOf(data)].join(': ');
    case 'authentication.state':
      return say('message')[0] ?? say('agent', 'state').join(' ');
    case 'credential.state':
      return [
        [...say('kind'), ...say('scope').map((scope) => `(${scope})`), ...say('status')].join(' '),
        ...say('message'),
      ].join(': ');
    case 'agent.text':
      return say('text').join('');
    case 'agent.tool':
      return [say('name', 'state').join(' '), ...say('summary')].join(': ');
    case 'agent.plan':
      return planText(data.items);
    case 'agent.usage':
      return [say('model'), countOf(data, 'inputTokens', 'in'), countOf(data, 'outputTokens', 'out')]
        .flat()
        .join(', ');
    case 'git.pushed':
      return [...say('branch'), ...say('commit').map((commit) => commit.slice(0, 12))].join(' ');
    default:
      return say(soleField[type] ?? '')[0] ?? jsonText(data);
  }
}

const planMarks: Record<string, string> = { completed: 'x', in_progress: '>' };

function planText(items: unknown): string {
  const all = Array.isArray(items) ? (items as Record<string, unknown>[]) : [];
  return all
    .map(({ content, status }) => `[${planMarks[textOf(status) ?? ''] ?? ' '}] ${textOf(content) ?? ''}`)
    .join('\n');
}

function countOf(data: Record<string, unknown>, name: string, unit: string): string[] {
  const count = textOf(data[name]);
  return count === null ? [] : [`${count} tokens ${unit}`];
}

function errorOf(data: Record<string, unknown>): string[] {
  const error = data.error;
  if (typeof error !== 'object' || error === null || !('message' in error)) return [];
  const message = textOf(error.message);
  return message === null ? [] : [message];
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null;
}

/** A time to the second, UTC. */
export function timeText(at: string | null): string {
  return at === null ? '-' : at.replace(/\.\d+Z$/, 'Z');
}
