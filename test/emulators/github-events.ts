import type { GithubGit } from './github-git.js';
import { shasOf } from './github-pulls.js';
import {
  accountView,
  commentView,
  installationView,
  issueView,
  pullView,
  repositoryBrief,
  repositoryView,
  reviewView,
} from './github-views.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubRepository,
  GithubUser,
  GithubWorld,
  GithubComment,
  GithubPull,
  GithubReview,
} from './github-world.js';

type Json = Record<string, unknown>;

/** Bodies of events about what there is here, as an App gets them. */
export class GithubEvents {
  constructor(
    private readonly world: GithubWorld,
    private readonly git: GithubGit,
  ) {}

  /** `created`, `deleted`, `suspend`, `unsuspend`, `new_permissions_accepted`. */
  installation(installation: GithubInstallation, action: string, sender: GithubUser): Json {
    const repositories = this.world.repositoriesOf(installation).map(repositoryBrief);
    return {
      action,
      installation: installationView(installation),
      repositories,
      sender: accountView(sender),
    };
  }

  /** `added` or `removed`. */
  installationRepositories(
    installation: GithubInstallation,
    change: { added?: GithubRepository[]; removed?: GithubRepository[] },
    sender: GithubUser,
  ): Json {
    return {
      action: change.added ? 'added' : 'removed',
      installation: installationView(installation),
      repository_selection: installation.selection,
      repositories_added: (change.added ?? []).map(repositoryBrief),
      repositories_removed: (change.removed ?? []).map(repositoryBrief),
      requester: null,
      sender: accountView(sender),
    };
  }

  /** An account has a new name. */
  installationTarget(installation: GithubInstallation, oldLogin: string): Json {
    const { account } = installation;
    return {
      action: 'renamed',
      account: accountView(account),
      changes: { login: { from: oldLogin } },
      installation: { id: installation.id, node_id: `I_${installation.id}` },
      target_type: account.type,
      sender: accountView(account),
    };
  }

  /** `renamed` (with the old name), `edited`, `archived`, … */
  repository(repository: GithubRepository, action: string, sender: GithubUser, oldName?: string): Json {
    const changes = oldName === undefined ? {} : { changes: { repository: { name: { from: oldName } } } };
    return { action, ...changes, ...this.#common(repository, sender) };
  }

  authorizationRevoked(sender: GithubUser): Json {
    return { action: 'revoked', sender: accountView(sender) };
  }

  /** A comment in a conversation; with `from` it is an edit. */
  issueComment(repository: GithubRepository, comment: GithubComment, from?: string): Json {
    const pull = repository.pulls.get(comment.number);
    return {
      ...edited(from, 'created'),
      issue: pull ? issueView(this.world, repository, pull) : null,
      comment: commentView(this.world, repository, comment),
      ...this.#common(repository, comment.user),
    };
  }

  /** A comment on a line; with `from` it is an edit. */
  async reviewComment(repository: GithubRepository, comment: GithubComment, from?: string): Promise<Json> {
    return {
      ...edited(from, 'created'),
      comment: commentView(this.world, repository, comment),
      pull_request: await this.#pull(repository, comment.number),
      ...this.#common(repository, comment.user),
    };
  }

  async review(repository: GithubRepository, review: GithubReview): Promise<Json> {
    return {
      action: 'submitted',
      review: reviewView(this.world, repository, review),
      pull_request: await this.#pull(repository, review.number),
      ...this.#common(repository, review.user),
    };
  }

  /** `opened`, or with `from` an edit of the text. */
  async pullRequest(repository: GithubRepository, pull: GithubPull, from?: string): Promise<Json> {
    return {
      ...edited(from, 'opened'),
      number: pull.number,
      pull_request: await this.#pull(repository, pull.number),
      ...this.#common(repository, pull.user),
    };
  }

  async #pull(repository: GithubRepository, number: number): Promise<Json | null> {
    const pull = repository.pulls.get(number);
    if (!pull) return null;
    return pullView(this.world, repository, pull, await shasOf(this.git, repository, pull));
  }

  #common(repository: GithubRepository, sender: GithubUser): Json {
    const installation = this.#installationOf(repository);
    return {
      repository: repositoryView(repository),
      ...(installation ? { installation: { id: installation.id, node_id: `I_${installation.id}` } } : {}),
      sender: accountView(sender),
    };
  }

  #installationOf(repository: GithubRepository): GithubInstallation | undefined {
    const apps: GithubApp[] = [...this.world.apps.values()];
    return apps.map((app) => this.world.installationOn(app, repository)).find((found) => found !== undefined);
  }
}

function edited(from: string | undefined, otherwise: string): Json {
  return from === undefined ? { action: otherwise } : { action: 'edited', changes: { body: { from } } };
}
