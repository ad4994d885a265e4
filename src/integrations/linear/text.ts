import { quiet } from '../markdown/quiet.js';
import { withoutUnseen } from '../markdown/unseen.js';

/** What is invisible or turns the direction of what follows: it has no place in what people read here. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const MARKDOWN = /[\\`*_{}[\]<>#|~!()@]/g;
const MAX_BODY = 30_000;

/** Words of another system on one line, with nothing in them that Markdown understands. */
export function plain(text: string): string {
  const line = Array.from(text, (character) => (INVISIBLE.test(character) ? ' ' : character)).join('');
  return line.replace(/\s+/g, ' ').trim().replace(MARKDOWN, '\\$&');
}

/** Running text as people see it. */
export function readable(text: string): string {
  return withoutUnseen(text.replace(/\r\n?/g, '\n'));
}

/** Berth's own name as somebody is called there: in what Berth writes it could call Berth itself, which went round in circles elsewhere (linear.md 2). */
export function withoutCall(text: string, name: string): string {
  const called = new RegExp(`@(?=${escaped(name)}(?![\\w-]))`, 'giu');
  return text.replace(called, '');
}

/** The same in what was written to Berth: by whom it is read needs no saying. */
export function withoutAddress(text: string, name: string): string {
  const called = new RegExp(`@${escaped(name)}(?![\\w-])[,:]?[ \\t]*`, 'giu');
  return text.replace(called, '').trim();
}

/** The page of a person at Linear, as an address: in what is written there it calls them, as a name does elsewhere (linear.md 5). */
const PROFILE = /(linear\.app\/[^\s/]+\/)(?=profiles\/)/gi;

/** What Berth says in Linear, of whatever an agent wrote: it calls nobody, neither Berth itself, and shows no image, which whoever reads it would fetch. */
export function said(text: string, name: string): string {
  return quiet(withoutCall(fitting(readable(text)), name), name).replace(PROFILE, '$1\u2060');
}

/** As much as fits into an activity. */
export function fitting(text: string): string {
  return text.length > MAX_BODY
    ? `${text.slice(0, MAX_BODY)}\n\n… (shortened; the whole stands in the workspace)`
    : text;
}

const escaped = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
