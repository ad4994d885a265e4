/** A person on GitHub, or a bot. */
export interface GithubUser {
  id: number;
  login: string;
  type: 'User' | 'Bot';
  name: string | null;
  emails: { email: string; primary: boolean; verified: boolean; visibility: null }[];
}

/** Who has repositories: a person or an organization. */
export interface GithubAccount {
  id: number;
  login: string;
  type: 'User' | 'Organization' | 'Bot';
}

export interface GithubOrganization extends GithubAccount {
  type: 'Organization';
  /** By the member's numeric id. */
  members: Map<number, 'admin' | 'member'>;
  /** Verified addresses in the organization's verified domains, by the member's numeric id. */
  verifiedDomainEmails: Map<number, string[]>;
}

/** What the collaborators' API says in `permission`; `maintain` and `triage` stand in `role_name` alone. */
export type GithubRole = 'admin' | 'maintain' | 'write' | 'triage' | 'read';

export interface GithubRepository {
  id: number;
  name: string;
  owner: GithubAccount;
  private: boolean;
  archived: boolean;
  defaultBranch: string;
  /** Of a fork: where it comes from. */
  parent: GithubRepository | null;
  collaborators: Map<number, GithubRole>;
  /** The next number of a pull request or issue. */
  nextNumber: number;
  /** Plain issues by number, and pull requests. */
  pulls: Map<number, GithubPull>;
  comments: GithubComment[];
  reviews: GithubReview[];
  checkRuns: GithubCheckRun[];
}

export interface GithubCheckRun {
  id: number;
  appId: number;
  installationId: number;
  name: string;
  headSha: string;
  externalId: string;
  status: string;
  conclusion: string | null;
  detailsUrl: string | null;
  output: unknown;
}

export type GithubPermissions = Record<string, 'read' | 'write' | 'admin'>;

export interface GithubApp {
  id: number;
  slug: string;
  name: string;
  owner: GithubAccount;
  clientId: string;
  clientSecret: string;
  webhookSecret: string | null;
  /** The private key as GitHub gives it out, PKCS#1. */
  pem: string;
  publicKeyPem: string;
  /** Where events are posted; null: nowhere. */
  hookUrl: string | null;
  callbackUrls: string[];
  setupUrl: string | null;
  oauthOnInstall: boolean;
  permissions: GithubPermissions;
  events: string[];
  /** Its author in comments, `slug[bot]`. */
  bot: GithubUser;
}

export interface GithubInstallation {
  id: number;
  app: GithubApp;
  account: GithubAccount;
  selection: 'all' | 'selected';
  /** Of a selection; with `all` every repository of the account counts. */
  repositoryIds: Set<number>;
  permissions: GithubPermissions;
  suspendedAt: string | null;
}

/** A comment in a conversation (`issue`) or on a line of a pull request (`review`). */
export interface GithubComment {
  kind: 'issue' | 'review';
  id: number;
  nodeId: string;
  /** Of the issue or pull request. */
  number: number;
  user: GithubUser;
  /** The App through which it was written: by its installation, or for a person by its user token. */
  app: GithubApp | null;
  body: string;
  createdAt: string;
  updatedAt: string;
  reactions: GithubReaction[];
  /** Of a review comment. */
  review: {
    path: string;
    line: number;
    diffHunk: string;
    reviewId: number;
    inReplyToId: number | null;
  } | null;
}

export interface GithubReaction {
  id: number;
  content: string;
  user: GithubUser;
}

/** A pull request, or with `head` null a plain issue. */
export interface GithubPull {
  id: number;
  nodeId: string;
  number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  draft: boolean;
  user: GithubUser;
  /** The head's repository is null when the fork is gone. */
  head: { ref: string; repository: GithubRepository | null; lastSha: string } | null;
  base: string;
  maintainerCanModify: boolean;
  createdAt: string;
  updatedAt: string;
  reactions: GithubReaction[];
}

export interface GithubReview {
  id: number;
  nodeId: string;
  number: number;
  user: GithubUser;
  body: string | null;
  state: string;
  submittedAt: string;
  reactions: GithubReaction[];
}

/** Something was pushed; written down by the repository itself while it still holds the push. */
export interface GithubPush {
  /** `owner/name`. */
  repository: string;
  /** Login of the pusher; of an installation token `slug[bot]`. */
  by: string;
  ref: string;
  before: string;
  after: string;
}

/** Everything there is on this GitHub. Logins are compared without case, ids never change. */
export class GithubWorld {
  readonly users = new Map<number, GithubUser>();
  readonly organizations = new Map<number, GithubOrganization>();
  readonly repositories = new Map<number, GithubRepository>();
  readonly apps = new Map<number, GithubApp>();
  readonly installations = new Map<number, GithubInstallation>();
  #lastId = 1_000;

  /** An id nobody had before: of every kind of thing. */
  nextId(): number {
    return (this.#lastId += 1);
  }

  account(login: string): GithubAccount | undefined {
    const same = (other: { login: string }): boolean => other.login.toLowerCase() === login.toLowerCase();
    return [...this.organizations.values()].find(same) ?? [...this.users.values()].find(same);
  }

  user(login: string): GithubUser | undefined {
    return [...this.users.values()].find((user) => user.login.toLowerCase() === login.toLowerCase());
  }

  organization(login: string): GithubOrganization | undefined {
    return [...this.organizations.values()].find((org) => org.login.toLowerCase() === login.toLowerCase());
  }

  /** By `owner/name`, as an account is called now. */
  repository(fullName: string): GithubRepository | undefined {
    return [...this.repositories.values()].find(
      (repository) => fullNameOf(repository).toLowerCase() === fullName.toLowerCase(),
    );
  }

  appBySlug(slug: string): GithubApp | undefined {
    return [...this.apps.values()].find((app) => app.slug === slug);
  }

  appByClient(clientId: string): GithubApp | undefined {
    return [...this.apps.values()].find((app) => app.clientId === clientId);
  }

  repositoriesOf(installation: GithubInstallation): GithubRepository[] {
    return [...this.repositories.values()].filter(
      ({ id, owner }) =>
        owner.id === installation.account.id &&
        (installation.selection === 'all' || installation.repositoryIds.has(id)),
    );
  }

  installationOn(app: GithubApp, repository: GithubRepository): GithubInstallation | undefined {
    return [...this.installations.values()].find(
      (installation) =>
        installation.app.id === app.id && this.repositoriesOf(installation).includes(repository),
    );
  }

  /** What somebody may do with a repository; null: not even see it. */
  roleIn(repository: GithubRepository, userId: number): GithubRole | null {
    if (repository.owner.id === userId) return 'admin';
    if (this.organizations.get(repository.owner.id)?.members.get(userId) === 'admin') return 'admin';
    return repository.collaborators.get(userId) ?? (repository.private ? null : 'read');
  }
}

export function fullNameOf({ owner, name }: GithubRepository): string {
  return `${owner.login}/${name}`;
}

const WRITERS: readonly (GithubRole | null)[] = ['admin', 'maintain', 'write'];

export function mayWrite(role: GithubRole | null): boolean {
  return WRITERS.includes(role);
}
