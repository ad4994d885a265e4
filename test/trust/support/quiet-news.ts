import { randomUUID } from 'node:crypto';
import type { GithubComment, GithubPull } from '../../emulators/github-world.js';
import type { LinearIssue, LinearSession } from '../../emulators/linear-world.js';
import type { Receiving, Tracked } from './receiving.js';

/** What the trackers tell of two conversations that Berth works in: one session, one pull request. */
export interface Talked {
  session: LinearSession;
  issue: LinearIssue;
  pull: GithubPull;
  /** With which the work on the pull request was asked for. */
  asked: GithubComment;
}

/** Something that needs nothing of Berth, by what it is; sends it, as the tracker does. */
type Quiet = Record<string, (talked: Talked) => Promise<unknown>>;

export function quietNews(receiving: Receiving, tracked: Tracked): Quiet {
  return { ...ofGithub(receiving, tracked), ...ofLinear(receiving, tracked) };
}

function ofGithub({ github: { github, app } }: Receiving, tracked: Tracked): Quiet {
  const { repository, installation, annAtGithub } = tracked;
  const { events, make, hooks } = github;
  const robot = make.user(`robot-of-${tracked.there.urlKey}[bot]`, { type: 'Bot', emails: [] });
  const says = (by: typeof annAtGithub, text: string) => (talked: Talked) => {
    const comment = make.comment(repository, talked.pull.number, by, text);
    return hooks.deliver('issue_comment', events.issueComment(repository, comment));
  };
  const tells =
    (event: string, action: string | null, more: object = {}) =>
    ({ pull }: Talked) => {
      const common = events.repository(repository, action ?? '', annAtGithub);
      const { number } = pull;
      const issue = { number, pull_request: {} };
      return hooks.deliver(event, { ...common, action, number, issue, ...more });
    };
  return {
    'a comment without a mention': says(annAtGithub, 'Looks good to me.'),
    'a mention in a quotation': says(annAtGithub, `> @${app.slug} rename it\n\nWhy not?`),
    'our own comment': says(app.bot, `@${app.slug} rename it`),
    'a bot': says(robot, `@${app.slug} rename it`),
    'what was asked, under another id': ({ asked }) =>
      hooks.deliver('issue_comment', events.issueComment(repository, asked)),
    'an edit of what was asked': ({ asked }) =>
      hooks.deliver('issue_comment', events.issueComment(repository, asked, asked.body)),
    'a comment that is deleted': tells('issue_comment', 'deleted'),
    'a review without a mention': async ({ pull }) => {
      const review = make.review(repository, pull.number, annAtGithub, 'Fine.');
      return hooks.deliver('pull_request_review', await events.review(repository, review));
    },
    'a comment on a line without a mention': async ({ pull }) => {
      const line = make.comment(repository, pull.number, annAtGithub, 'Odd.', { path: 'README.md' });
      return hooks.deliver('pull_request_review_comment', await events.reviewComment(repository, line));
    },
    'a push': tells('push', null, { ref: 'refs/heads/feature', commits: [] }),
    'a check run': tells('check_run', 'completed', { check_run: { id: 1, conclusion: 'failure' } }),
    'a check suite': tells('check_suite', 'completed'),
    'a workflow run': tells('workflow_run', 'completed'),
    'a new commit': tells('pull_request', 'synchronize'),
    'a label': tells('pull_request', 'labeled'),
    'a star': tells('star', 'created'),
    'a repository edited': tells('repository', 'edited'),
    'an event nobody knows': tells('sponsorship', 'created'),
    'new permissions': () =>
      hooks.deliver(
        'installation',
        events.installation(installation, 'new_permissions_accepted', annAtGithub),
      ),
  };
}

function ofLinear({ linear }: Receiving, { there, team, ann }: Tracked): Quiet {
  const { webhooks } = linear;
  const tells =
    (type: string, action: string, more: object = {}) =>
    ({ issue }: Talked) =>
      webhooks.send({
        ...{ type, action, createdAt: there.clock.now().toISOString(), organizationId: there.id },
        data: { id: randomUUID(), issueId: issue.id, userId: ann.id, ...more },
        url: there.urlOf(issue),
      });
  const notifies = (action: string) => (talked: Talked) =>
    webhooks.send(webhooks.notification(there, action, talked.issue, ann));
  return {
    'a comment on the issue': tells('Comment', 'create', { body: 'Any news?' }),
    'a reaction': tells('Reaction', 'create', { emoji: '+1' }),
    'an attachment': tells('Attachment', 'create'),
    'a changed issue': ({ issue }) =>
      webhooks.send({
        ...{ type: 'Issue', action: 'update', createdAt: there.clock.now().toISOString() },
        organizationId: there.id,
        data: { id: issue.id, title: issue.title, delegateId: issue.delegateId },
        updatedFrom: { title: 'Another title' },
      }),
    'a notification of a comment': notifies('issueNewComment'),
    'a notification of a reaction': notifies('issueEmojiReaction'),
    'a notification of a state': notifies('issueStatusChanged'),
    'the session, under another id': ({ session }) =>
      webhooks.send(webhooks.sessionEvent(there, session, null)),
    'our own words in the session': ({ session }) =>
      linear.prompt(there, session, there.appUser, 'Go on, please.'),
    'no words in the session': ({ session }) => linear.prompt(there, session, ann, '  '),
    'another team': () => linear.changeTeams(there, [team.id], []),
    'an event of Linear’s that nobody knows': tells('Initiative', 'create'),
  };
}
