import {
  fullNameOf,
  mayWrite,
  type GithubAccount,
  type GithubApp,
  type GithubCheckRun,
  type GithubInstallation,
  type GithubRepository,
  type GithubUser,
  type GithubWorld,
  type GithubComment,
  type GithubPull,
  type GithubReaction,
  type GithubReview,
} from './github-world.js';

/** How things look in answers and events: the fields that are read by somebody, under GitHub's names. */

type Json = Record<string, unknown>;

export function accountView({ id, login, type }: GithubAccount | GithubUser): Json {
  const node_id = `${type === 'Organization' ? 'O' : 'U'}_${id}`;
  return { login, id, node_id, type, site_admin: false, html_url: `https://github.com/${login}` };
}

export function appView(app: GithubApp): Json {
  return {
    id: app.id,
    slug: app.slug,
    client_id: app.clientId,
    node_id: `A_${app.id}`,
    owner: accountView(app.owner),
    name: app.name,
    html_url: `https://github.com/apps/${app.slug}`,
    permissions: app.permissions,
    events: app.events,
  };
}

export function installationView(installation: GithubInstallation): Json {
  const { id, app, account, selection, permissions, suspendedAt } = installation;
  return {
    id,
    account: accountView(account),
    repository_selection: selection,
    app_id: app.id,
    app_slug: app.slug,
    client_id: app.clientId,
    target_id: account.id,
    target_type: account.type,
    permissions,
    events: app.events,
    html_url: `https://github.com/settings/installations/${id}`,
    single_file_name: null,
    suspended_at: suspendedAt,
    suspended_by: null,
  };
}

export function repositoryView(repository: GithubRepository): Json {
  const { id, name, owner, defaultBranch, parent, archived } = repository;
  return {
    id,
    node_id: `R_${id}`,
    name,
    full_name: fullNameOf(repository),
    private: repository.private,
    owner: accountView(owner),
    html_url: `https://github.com/${fullNameOf(repository)}`,
    description: null,
    fork: parent !== null,
    archived,
    disabled: false,
    default_branch: defaultBranch,
    ...(parent ? { parent: { id: parent.id, full_name: fullNameOf(parent) } } : {}),
  };
}

export function repositoryBrief(repository: GithubRepository): Json {
  const { id, node_id, name, full_name, private: isPrivate } = repositoryView(repository);
  return { id, node_id, name, full_name, private: isPrivate };
}

/** A hint and no more: a collaborator may be read-only, and a contributor a stranger. */
export function association(world: GithubWorld, repository: GithubRepository, user: GithubUser): string {
  if (repository.owner.id === user.id) return 'OWNER';
  if (world.organizations.get(repository.owner.id)?.members.has(user.id)) return 'MEMBER';
  return repository.collaborators.has(user.id) ? 'COLLABORATOR' : 'NONE';
}

export function commentView(world: GithubWorld, repository: GithubRepository, comment: GithubComment): Json {
  const { id, nodeId, user, app, body, createdAt, updatedAt, number, review } = comment;
  const page = `https://github.com/${fullNameOf(repository)}/pull/${number}`;
  return {
    id,
    node_id: nodeId,
    html_url: `${page}#${review ? 'discussion_r' : 'issuecomment-'}${id}`,
    body,
    user: accountView(user),
    author_association: association(world, repository, user),
    performed_via_github_app: app ? appView(app) : null,
    created_at: createdAt,
    updated_at: updatedAt,
    ...(review
      ? {
          path: review.path,
          line: review.line,
          side: 'RIGHT',
          diff_hunk: review.diffHunk,
          pull_request_review_id: review.reviewId,
          ...(review.inReplyToId === null ? {} : { in_reply_to_id: review.inReplyToId }),
          pull_request_url: `https://api.github.com/repos/${fullNameOf(repository)}/pulls/${number}`,
        }
      : { issue_url: `https://api.github.com/repos/${fullNameOf(repository)}/issues/${number}` }),
  };
}

export function reviewView(world: GithubWorld, repository: GithubRepository, review: GithubReview): Json {
  return {
    id: review.id,
    node_id: review.nodeId,
    user: accountView(review.user),
    body: review.body,
    state: review.state,
    html_url: `https://github.com/${fullNameOf(repository)}/pull/${review.number}#pullrequestreview-${review.id}`,
    submitted_at: review.submittedAt,
    author_association: association(world, repository, review.user),
  };
}

export function reactionView({ id, content, user }: GithubReaction): Json {
  return { id, node_id: `REA_${id}`, content, user: accountView(user), created_at: null };
}

export function issueView(world: GithubWorld, repository: GithubRepository, pull: GithubPull): Json {
  const url = `https://github.com/${fullNameOf(repository)}/${pull.head ? 'pull' : 'issues'}/${pull.number}`;
  return {
    id: pull.id,
    node_id: pull.nodeId,
    number: pull.number,
    title: pull.title,
    body: pull.body,
    state: pull.state,
    user: accountView(pull.user),
    html_url: url,
    author_association: association(world, repository, pull.user),
    created_at: pull.createdAt,
    updated_at: pull.updatedAt,
    ...(pull.head ? { pull_request: { html_url: url } } : {}),
  };
}

/** `shas`: where both branches are now, as the real git repository says. */
export function pullView(
  world: GithubWorld,
  repository: GithubRepository,
  pull: GithubPull,
  shas: { head: string; base: string },
): Json {
  const { pull_request: _link, ...issue } = issueView(world, repository, pull);
  const headRepository = pull.head?.repository ?? null;
  const headOwner = headRepository?.owner ?? null;
  return {
    ...issue,
    draft: pull.draft,
    merged: false,
    maintainer_can_modify: pull.maintainerCanModify,
    head: {
      label: `${headOwner?.login ?? 'unknown repository'}:${pull.head?.ref ?? ''}`,
      ref: pull.head?.ref,
      sha: shas.head,
      user: headOwner ? accountView(headOwner) : null,
      repo: headRepository ? repositoryView(headRepository) : null,
    },
    base: {
      label: `${repository.owner.login}:${pull.base}`,
      ref: pull.base,
      sha: shas.base,
      user: accountView(repository.owner),
      repo: repositoryView(repository),
    },
  };
}

export function checkRunView({ appId, ...run }: GithubCheckRun): Json {
  return {
    id: run.id,
    node_id: `CR_${run.id}`,
    name: run.name,
    head_sha: run.headSha,
    external_id: run.externalId,
    status: run.status,
    conclusion: run.conclusion,
    details_url: run.detailsUrl,
    output: run.output,
    app: { id: appId },
  };
}

/** What the collaborators' API says of a role: `maintain` as write, `triage` as read. */
export function permissionView(role: string | null, user: GithubUser): Json {
  const writes = mayWrite(role as Parameters<typeof mayWrite>[0]);
  const permission = role === 'admin' ? 'admin' : writes ? 'write' : role === null ? 'none' : 'read';
  return { permission, role_name: role ?? 'none', user: accountView(user) };
}
