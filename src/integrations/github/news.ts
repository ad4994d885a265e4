import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { SharedLooks } from '../../kernel/index.js';
import { GithubEvents } from './github-events.js';
import { hear, type Bot, type Ignored } from './heard.js';
import { mayMention } from './mention.js';
import { GithubReach } from './reach.js';

const said = z.object({ body: z.string() });
/** By event, what of it may hold a mention. */
const WORDS: Record<string, string> = {
  issue_comment: 'comment',
  pull_request_review_comment: 'comment',
  pull_request_review: 'review',
  issues: 'issue',
  pull_request: 'pull_request',
};

/** Knows at once what is only news: most of what GitHub tells is, all day and by the thousand, and no job is needed to find that out. */
@Injectable()
export class GithubNews {
  readonly #looks = new SharedLooks<Bot | null>();

  constructor(
    private readonly reach: GithubReach,
    private readonly events: GithubEvents,
  ) {}

  /** Why nothing is to be done about a delivery, where what it says is enough to know that; null: its handler finds out. */
  async outcomeOf(
    event: string,
    action: string | null,
    body: Record<string, unknown>,
  ): Promise<Ignored | null> {
    const bot = await this.#looks.take('bot', () => this.reach.bot());
    if (!bot || mayBeSpoken(event, body, bot)) return null;
    const heard = hear(event, action, body, bot);
    if (!('outcome' in heard)) return null;
    const isHandled = heard.untold === true && this.events.handlerOf(event) !== undefined;
    return isHandled ? null : heard.outcome;
  }
}

/** Whatever could be a mention is read by its handler: that takes long, and whoever delivers is answered first. */
function mayBeSpoken(event: string, body: Record<string, unknown>, { slug }: Bot): boolean {
  const holder = Object.hasOwn(WORDS, event) ? WORDS[event] : undefined;
  const found = holder === undefined ? undefined : said.safeParse(body[holder]).data;
  return found !== undefined && mayMention(found.body, slug);
}
