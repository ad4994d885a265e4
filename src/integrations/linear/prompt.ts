import type { HeardAsk } from './heard.js';
import type { IssueFacts } from './operations.js';
import { readable, withoutAddress } from './text.js';

/** A part from outside, between tags that it cannot close by itself. */
function quoted(tag: string, attributes: Record<string, string>, text: string): string {
  const said = Object.entries(attributes).map(
    ([name, value]) => ` ${name}="${value.replace(/["<>\n]/g, ' ')}"`,
  );
  const body = readable(text)
    .replace(new RegExp(`<(?=/${tag})`, 'gi'), '<\\')
    .trim();
  return `<${tag}${said.join('')}>\n${body}\n</${tag}>`;
}

/** What the agent is told to do: what people wrote, as data, and where it stands. What it says decides nothing of whose credentials are used. */
export function promptOf({ by, text, guidance, person }: HeardAsk, issue: IssueFacts, name: string): string {
  const written = withoutAddress(text ?? '', name);
  if (by === 'prompt') return readable(written);
  const { identifier, url, title, description } = issue;
  const asked =
    by === 'mention'
      ? `You were mentioned at the Linear issue ${identifier}. Do what the comment asks.`
      : `You were given the Linear issue ${identifier}. Do what it asks.`;
  return [
    asked,
    quoted('linear-issue', { identifier, url }, `${title}\n\n${description ?? ''}`),
    ...(by === 'mention' ? [quoted('linear-comment', { author: person?.name ?? '' }, written)] : []),
    ...guidance.map((each) => quoted('linear-guidance', {}, each)),
  ].join('\n\n');
}

/** A repository by itself: the answer to the question which one, perhaps. */
export function repositoryIn(text: string | null): string | null {
  const said = (text ?? '').trim();
  return /^(https:\/\/\S{1,900}|[\w.-]{1,100}\/[\w.-]{1,100})$/.test(said) ? said : null;
}
