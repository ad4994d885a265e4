import type { ExternalSystem } from '../../src/contracts/index.js';

/**
 * What comes of each file. `asked`: a workspace for the first ask of a conversation (`started`), a further turn for the next (`continued`). `as it says`: the file is a list of comments, each with what is to come
 * of it. An answer of Linear's own API, sent as though it were a delivery, is nobody's.
 */
export const EXPECTED: Record<ExternalSystem, Record<string, string>> = {
  github: {
    'github_app_authorization.revoked': 'ignored-unknown-tenant',
    'installation.created': 'installation-updated',
    'installation.deleted': 'installation-gone',
    'installation.new_permissions_accepted': 'installation-updated',
    'installation.suspend': 'installation-suspended',
    'installation_repositories.added': 'repositories-updated',
    'issue_comment.created.on-issue': 'ignored-no-mention',
    'issue_comment.created.on-pull-request': 'ignored-unknown-tenant',
    'issue_comment.created.on-pull-request.mention.constructed': 'asked',
    'issue_comment.created.on-pull-request.own-bot.constructed': 'ignored-own',
    'issue_comment.edited.on-issue': 'ignored-unknown-tenant',
    'issues.opened': 'ignored-unknown-tenant',
    'mention-bodies.constructed': 'as it says',
    'organization.member_added': 'ignored-event',
    'ping.app': 'ignored-unknown-tenant',
    'pull_request.opened': 'ignored-no-mention',
    'pull_request_review.submitted.fork-outsider-mention.constructed': 'ignored-stranger-on-fork',
    'pull_request_review.submitted': 'ignored-no-mention',
    'pull_request_review_comment.created': 'ignored-no-mention',
    'workflow_run.completed': 'ignored-unknown-tenant',
  },
  linear: {
    'agent-session-event.created.delegation.constructed': 'asked',
    'agent-session-event.created.mention.constructed': 'asked',
    'agent-session-event.prompted.constructed': 'asked',
    'agent-session-event.prompted.stop.constructed': 'stopped',
    'attachment.create.recorded': 'ignored-event',
    'comment.create.recorded': 'ignored-event',
    'graphql.agent-activity-create.constructed': 'ignored-unknown-tenant',
    'graphql.error.authentication.constructed': 'ignored-unknown-tenant',
    'graphql.error.ratelimited.constructed': 'ignored-unknown-tenant',
    'graphql.user.constructed': 'ignored-unknown-tenant',
    'graphql.users-by-email.constructed': 'ignored-unknown-tenant',
    'issue.create.recorded': 'ignored-issue',
    'issue.update.assignee-set.constructed': 'ignored-issue',
    'issue.update.delegate-set.constructed': 'ignored-issue',
    'issue.update.recorded': 'ignored-issue',
    'oauth-app.revoked.constructed': 'ignored-still-connected',
    'oauth.token.authorization-code.constructed': 'ignored-unknown-tenant',
    'permission-change.constructed': 'team-access-changed',
  },
};
