import { isNews } from './news.js';

describe('what GitHub tells', () => {
  it.each([
    ['a comment that may be a mention', 'issue_comment', { comment: { body: 'please @berth' } }, false],
    [
      'a comment without one',
      'issue_comment',
      { comment: { body: 'done' }, issue: { body: '@berth' } },
      true,
    ],
    ['a line of a review', 'pull_request_review_comment', { comment: { body: '@berth why?' } }, false],
    ['a review without words', 'pull_request_review', { review: { body: null } }, true],
    ['an issue', 'issues', { issue: { body: '@berth' } }, false],
    ['a pull request', 'pull_request', { pull_request: { body: 'As asked by @berth' } }, false],
    ['an installation', 'installation', {}, false],
    ['its repositories', 'installation_repositories', {}, false],
    ['who took an authorization back', 'github_app_authorization', {}, false],
    ['a repository with another name', 'repository', {}, false],
    ['a push', 'push', { head_commit: { message: '@berth' } }, true],
    ['a check', 'check_run', {}, true],
    ['an event of tomorrow', 'constructor', {}, true],
    ['nothing that is known', 'issue_comment', { comment: 'what' }, true],
  ])('%s', (_, event, body, expected) => {
    expect(isNews(event, body)).toBe(expected);
  });
});
