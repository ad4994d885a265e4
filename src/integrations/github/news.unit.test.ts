import { GithubEvents } from './github-events.js';
import { GithubNews } from './news.js';
import type { GithubReach } from './reach.js';

const ADA = { id: 1, login: 'ada', type: 'User' };
const GITHUB_BOT = { id: 2, login: 'dependabot[bot]', type: 'Bot' };
const place = {
  installation: { id: 7 },
  repository: { id: 9, full_name: 'acme/widget', private: true, visibility: 'private' },
};
const words = (body: string, user = ADA) => ({
  ...{ id: 11, node_id: 'IC_11', html_url: 'https://github.test/3#11', body, user },
});
const issue = { ...words('Ask @berth-acme.'), number: 3, title: 'A task', state: 'open' };
const comment = (body: string, by = ADA) => ({ ...place, sender: by, issue, comment: words(body, by) });

describe('what GitHub tells', () => {
  const reach = (slug: string | null): GithubReach =>
    ({ bot: () => Promise.resolve(slug === null ? null : { slug, appId: '5' }) }) as never;
  const events = new GithubEvents();
  for (const event of ['installation', 'pull_request']) events.on(event, () => Promise.resolve('handled'));

  it.each<[string, string, string, object, string | null]>([
    ['a comment', 'issue_comment', 'created', comment('Done.'), 'ignored-no-mention'],
    ['a comment for somebody else', 'issue_comment', 'created', comment('@grace?'), 'ignored-no-mention'],
    ['a comment of another bot', 'issue_comment', 'created', comment('Bump.', GITHUB_BOT), 'ignored-bot'],
    ['a comment that is gone', 'issue_comment', 'deleted', comment('Done.'), 'ignored-no-mention'],
    ['a mention', 'issue_comment', 'created', comment('please @Berth-Acme'), null],
    ['a mention that is none, in code', 'issue_comment', 'created', comment('`@berth-acme`'), null],
    ['what a reference may hide', 'issue_comment', 'created', comment('&#64;berth&#45;acme'), null],
    ['what a backslash may hide', 'issue_comment', 'created', comment('@berth\\-acme'), null],
    ['a mention that is gone', 'issue_comment', 'deleted', comment('@berth-acme do it'), null],
    ['a comment that is none', 'issue_comment', 'created', { ...place, comment: 1 }, 'ignored-malformed'],
    ['a comment without an App', 'issue_comment', 'created', { comment: 1 }, 'ignored-no-installation'],
    ['a pull request that moved', 'pull_request', 'closed', {}, null],
    ['an installation', 'installation', 'suspend', {}, null],
    ['a push', 'push', '', { head_commit: { message: '@berth-acme' } }, 'ignored-event'],
    ['an event of tomorrow', 'constructor', '', {}, 'ignored-event'],
  ])('%s', async (_, event, action, body, expected) => {
    const news = new GithubNews(reach('berth-acme'), events);
    expect(await news.outcomeOf(event, action || null, body as Record<string, unknown>)).toBe(expected);
  });

  it('is not judged where there is no App', async () => {
    expect(await new GithubNews(reach(null), events).outcomeOf('push', null, {})).toBeNull();
  });
});
