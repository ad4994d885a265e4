import { randomBytes } from 'node:crypto';
import type { GithubGit } from './github-git.js';
import { addPull } from './github-pulls.js';
import { appKeys } from './github-tokens.js';
import {
  fullNameOf,
  type GithubAccount,
  type GithubApp,
  type GithubInstallation,
  type GithubOrganization,
  type GithubPermissions,
  type GithubRepository,
  type GithubRole,
  type GithubUser,
  type GithubWorld,
  type GithubComment,
  type GithubPull,
  type GithubReview,
} from './github-world.js';

/** What an App for Berth asks for. */
export const USUAL_PERMISSIONS: GithubPermissions = {
  metadata: 'read',
  contents: 'write',
  issues: 'write',
  pull_requests: 'write',
  checks: 'write',
  members: 'read',
  emails: 'read',
};

/** How a test makes what there is on this GitHub. Logins and full names must not be there yet. */
export class GithubMaking {
  constructor(
    private readonly world: GithubWorld,
    private readonly git: GithubGit,
    private readonly now: () => string,
  ) {}

  /** A person, with one primary verified address unless told otherwise. */
  user(
    login: string,
    given: { id?: number; type?: 'User' | 'Bot'; emails?: GithubUser['emails'] } = {},
  ): GithubUser {
    const { id = this.world.nextId(), type = 'User' } = given;
    const address = { email: `${login}@example.com`, primary: true, verified: true, visibility: null };
    const user: GithubUser = { id, login, type, name: null, emails: given.emails ?? [address] };
    this.world.users.set(id, user);
    return user;
  }

  organization(login: string, admins: GithubUser[] = [], given: { id?: number } = {}): GithubOrganization {
    const { id = this.world.nextId() } = given;
    const members = new Map(admins.map((admin) => [admin.id, 'admin' as const]));
    const organization: GithubOrganization = {
      id,
      login,
      type: 'Organization',
      members: new Map<number, 'admin' | 'member'>(members),
      verifiedDomainEmails: new Map(),
    };
    this.world.organizations.set(id, organization);
    return organization;
  }

  /** A repository with one commit, private unless told otherwise; of a fork with the commits of `parent`. */
  async repository(
    owner: GithubAccount,
    name: string,
    given: {
      id?: number;
      files?: Record<string, string>;
      private?: boolean;
      parent?: GithubRepository;
      collaborators?: [GithubUser, GithubRole][];
    } = {},
  ): Promise<GithubRepository> {
    const { id = this.world.nextId(), files = { 'README.md': '# Hello\n' }, parent = null } = given;
    const repository: GithubRepository = {
      id,
      name,
      owner,
      private: given.private ?? true,
      archived: false,
      defaultBranch: 'main',
      parent,
      collaborators: new Map((given.collaborators ?? []).map(([user, role]) => [user.id, role])),
      nextNumber: 1,
      pulls: new Map(),
      comments: [],
      reviews: [],
      checkRuns: [],
    };
    await this.git.create(repository, files);
    this.world.repositories.set(id, repository);
    return repository;
  }

  /** Gives a repository, or all of an account, another name, files included. The old one is free then. */
  async rename(what: GithubRepository | GithubAccount, name: string): Promise<void> {
    const moved =
      'owner' in what ? [what] : [...this.world.repositories.values()].filter((one) => one.owner === what);
    const before = moved.map(fullNameOf);
    if ('owner' in what) what.name = name;
    else what.login = name;
    for (const [index, repository] of moved.entries())
      await this.git.move(before[index] ?? '', fullNameOf(repository));
  }

  app(
    given: Partial<Omit<GithubApp, 'bot' | 'pem' | 'publicKeyPem'>> & { owner: GithubAccount; slug: string },
  ): GithubApp {
    const { slug, owner, id = this.world.nextId() } = given;
    const app: GithubApp = {
      name: slug,
      clientId: `Iv23li${randomBytes(7).toString('hex')}`,
      clientSecret: randomBytes(20).toString('hex'),
      webhookSecret: randomBytes(20).toString('hex'),
      hookUrl: null,
      callbackUrls: [],
      setupUrl: null,
      oauthOnInstall: true,
      permissions: USUAL_PERMISSIONS,
      events: [],
      ...appKeys(),
      ...given,
      id,
      slug,
      owner,
      bot: this.user(`${slug}[bot]`, { type: 'Bot', emails: [] }),
    };
    this.world.apps.set(id, app);
    return app;
  }

  /** The App that a manifest describes. A name that somebody has gets a number, as a person would change it. */
  appOfManifest(manifest: Record<string, unknown>, owner: GithubAccount): GithubApp {
    const name = typeof manifest.name === 'string' ? manifest.name : 'app';
    const wanted = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
    const slug = this.world.appBySlug(wanted) ? `${wanted}-${this.world.nextId()}` : wanted;
    const hook = (manifest.hook_attributes ?? {}) as { url?: string; active?: boolean };
    const app = this.app({
      slug,
      owner,
      name,
      hookUrl: hook.active === false ? null : (hook.url ?? null),
      callbackUrls: (manifest.callback_urls ?? []) as string[],
      setupUrl: (manifest.setup_url ?? null) as string | null,
      oauthOnInstall: manifest.request_oauth_on_install === true,
      permissions: { metadata: 'read', ...((manifest.default_permissions ?? {}) as GithubPermissions) },
      events: (manifest.default_events ?? []) as string[],
    });
    return app;
  }

  /** Installs an App; `repositoryIds` null: on all repositories of the account. */
  installation(
    app: GithubApp,
    account: GithubAccount,
    repositoryIds: number[] | null = null,
    given: { id?: number; permissions?: GithubPermissions } = {},
  ): GithubInstallation {
    const { emails: _ofPeople, ...permissions } = given.permissions ?? app.permissions;
    const installation: GithubInstallation = {
      id: given.id ?? this.world.nextId(),
      app,
      account,
      selection: repositoryIds === null ? 'all' : 'selected',
      repositoryIds: new Set(repositoryIds),
      permissions,
      suspendedAt: null,
    };
    this.world.installations.set(installation.id, installation);
    return installation;
  }

  /** A pull request of a branch, which gets a commit where it is not there yet; `head` null: an issue. */
  async pull(
    repository: GithubRepository,
    user: GithubUser,
    given: {
      head?: string | null;
      headRepository?: GithubRepository;
      title?: string;
      body?: string | null;
      number?: number;
    } = {},
  ): Promise<GithubPull> {
    const { head = 'feature', headRepository = repository, title = 'A change', body = null } = given;
    const lastSha =
      head === null
        ? ''
        : ((await this.git.sha(headRepository, `refs/heads/${head}`)) ??
          (await this.git.commit(headRepository, head, {
            [`${head.replaceAll('/', '-')}.txt`]: `${head}\n`,
          })));
    return addPull(this.world, repository, {
      title,
      body,
      base: repository.defaultBranch,
      draft: false,
      user,
      head: head === null ? null : { ref: head, repository: headRepository, lastSha },
      maintainerCanModify: true,
      now: this.now(),
      ...(given.number === undefined ? {} : { number: given.number }),
    });
  }

  /** A comment by a person at the web page; with `line` on a line of the pull request. */
  comment(
    repository: GithubRepository,
    number: number,
    user: GithubUser,
    body: string,
    given: { id?: number; path?: string; line?: number; reviewId?: number; inReplyToId?: number | null } = {},
  ): GithubComment {
    const { id = this.world.nextId(), path, line = 1, inReplyToId = null } = given;
    const reviewId = given.reviewId ?? this.world.nextId();
    const comment: GithubComment = {
      kind: path === undefined ? 'issue' : 'review',
      id,
      nodeId: `${path === undefined ? 'IC' : 'PRRC'}_${id}`,
      number,
      user,
      app: null,
      body,
      createdAt: this.now(),
      updatedAt: this.now(),
      reactions: [],
      review: path === undefined ? null : { path, line, diffHunk: '@@ -0,0 +1 @@', reviewId, inReplyToId },
    };
    repository.comments.push(comment);
    return comment;
  }

  review(
    repository: GithubRepository,
    number: number,
    user: GithubUser,
    body: string | null,
    state = 'commented',
  ): GithubReview {
    const id = this.world.nextId();
    const submittedAt = this.now();
    const review = { id, nodeId: `PRR_${id}`, number, user, body, state, submittedAt, reactions: [] };
    repository.reviews.push(review);
    return review;
  }
}
