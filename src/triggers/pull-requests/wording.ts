/** One message of a person that the work answers. */
export interface Asked {
  author: string;
  text: string;
}

export interface PullRequestFacts {
  workspaceUrl: string;
  /** How the workspace is called: for work on an issue, as the issue is. */
  name: string;
  origin: { type: string; url?: string | undefined };
  /** Oldest first. */
  asked: readonly Asked[];
}

const TITLE_CHARACTERS = 120;
const MOST_ASKED = 20;
const ASKED_CHARACTERS = 2_000;

/** In words for a commit's or pull request's subject: one line, in the direction it is written. */
function lineOf(text: string, most: number): string {
  const line = text
    .split(/[\r\n]+/)
    .map((each) => each.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ').trim())
    .find((each) => each !== '');
  const characters = Array.from(line ?? '');
  return characters.length <= most
    ? characters.join('')
    : `${characters
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`;
}

/** Of work that was asked for in Berth: what was asked first. Of work on an issue: the issue's. */
export function titleOf({ name, origin, asked }: PullRequestFacts): string {
  const isOfBerth = origin.type === 'api' || origin.type === 'web';
  const text = isOfBerth ? (asked[0]?.text ?? name) : name;
  return lineOf(text, TITLE_CHARACTERS) || 'Work of the agent';
}

/**
 * What the pull request says. What people wrote stands in fences that are longer than any in it: nobody is called by it, no issue is closed, no picture is fetched, and the bot does not hear itself. Of work on an
 * issue the link to it is enough; what Berth made of it for the agent is nothing for readers.
 */
export function bodyOf(facts: PullRequestFacts): string {
  const { workspaceUrl, origin, asked } = facts;
  const issue = origin.url === undefined ? '' : ` · [what it is about](${linkOf(origin.url)})`;
  const people = [...new Set(asked.map(({ author }) => inert(author)))].join(', ') || 'a member';
  const head = `Made by an agent for ${people} · [workspace](${linkOf(workspaceUrl)})${issue}`;
  if (origin.type !== 'api' && origin.type !== 'web') return `${head}\n`;
  const left = asked.length - MOST_ASKED;
  const shown = asked
    .slice(-MOST_ASKED)
    .map(({ author, text }) => `${inert(author)} asked:\n\n${fenced(text)}`);
  const more = left > 0 ? [`_${left} earlier messages are in the workspace._`] : [];
  return `${[head, ...more, ...shown].join('\n\n')}\n`;
}

function fenced(text: string): string {
  // Other line ends count in Markdown, too. A control character or one that turns the direction of writing has no business here.
  const clean = text
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, ' ');
  const characters = Array.from(clean.trim());
  const cut =
    characters.length > ASKED_CHARACTERS
      ? `${characters.slice(0, ASKED_CHARACTERS).join('')}…`
      : characters.join('');
  const longest = Math.max(2, ...(cut.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${cut}\n${fence}`;
}

/** A name, as text: it calls nobody, and forms no Markdown. */
function inert(name: string): string {
  return lineOf(name, 100)
    .replace(/[\\`*_{}[\]()<>#+\-.!|~&:/]/g, (found) => `\\${found}`)
    .replace(/@/g, '@\u200b');
}

/** An address that ends where it should. */
function linkOf(url: string): string {
  return url.replace(/[()<>\s\\]/g, (found) =>
    encodeURIComponent(found).replace(/[()]/g, (bracket) => (bracket === '(' ? '%28' : '%29')),
  );
}

/** Between them is what Berth writes; the rest is people's. */
const [BEGIN, END] = ['<!-- berth -->', '<!-- /berth -->'];

/** Where Berth's part stands in a text; null: there is none (any more). Its end is the last there is: what was asked can hold these words, too. */
export function ownPartIn(text: string | null): { from: number; to: number } | null {
  const from = text?.indexOf(BEGIN) ?? -1;
  const to = text?.lastIndexOf(END) ?? -1;
  return from === -1 || to < from ? null : { from, to: to + END.length };
}

/** The text with Berth's part as it is now; whatever people wrote around it stays. */
export function withOwnPart(text: string | null, part: string): string {
  const own = `${BEGIN}\n${part.trim()}\n${END}`;
  const at = ownPartIn(text);
  if (text === null || at === null) return own;
  return text.slice(0, at.from) + own + text.slice(at.to);
}
